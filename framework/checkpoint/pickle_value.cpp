// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/pickle_value.h"

#include <array>
#include <optional>
#include <string_view>

namespace peryton::pickle {
namespace {

constexpr std::string_view kOrderedDict = "collections.OrderedDict";
constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";

struct StorageClass {
  std::string_view name;
  StoredDType dtype;
};
constexpr std::array<StorageClass, 10> kStorageClasses = {{
    {"torch.DoubleStorage", StoredDType::kF64},
    {"torch.FloatStorage", StoredDType::kF32},
    {"torch.HalfStorage", StoredDType::kF16},
    {"torch.BFloat16Storage", StoredDType::kBF16},
    {"torch.LongStorage", StoredDType::kI64},
    {"torch.IntStorage", StoredDType::kI32},
    {"torch.ShortStorage", StoredDType::kI16},
    {"torch.CharStorage", StoredDType::kI8},
    {"torch.ByteStorage", StoredDType::kU8},
    {"torch.BoolStorage", StoredDType::kBool},
}};

std::optional<StoredDType> storage_dtype(std::string_view name) {
  for (const StorageClass& known : kStorageClasses) {
    if (known.name == name) return known.dtype;
  }
  return std::nullopt;
}

bool read_sizes(const Value& tuple, std::vector<std::int64_t>& sizes) {
  if (tuple.kind != Kind::kTuple) return false;
  for (const Value* item : tuple.items) {
    if (item->kind != Kind::kInteger || item->integer < 0) return false;
    sizes.push_back(item->integer);
  }
  return true;
}

// (storage, offset, sizes, strides, requires_grad, hooks[, metadata])
bool rebuild_tensor(const std::vector<Value*>& arguments, Value& result) {
  if (arguments.size() < 6 || arguments.size() > 7) return false;
  const Value &storage = *arguments[0], &offset = *arguments[1];
  if (storage.kind != Kind::kStorage || offset.kind != Kind::kInteger || offset.integer < 0)
    return false;
  result.kind = Kind::kTensor;
  result.tensor = storage.tensor;
  result.tensor.offset = offset.integer;
  return read_sizes(*arguments[2], result.tensor.tensor.shape) &&
         read_sizes(*arguments[3], result.tensor.strides) &&
         result.tensor.strides.size() == result.tensor.tensor.shape.size();
}

}  // namespace

bool is_known_global(const std::string& name) {
  return name == kOrderedDict || name == kRebuildTensor || name == kRebuildParameter ||
         storage_dtype(name).has_value();
}

bool apply(const std::string& function, const Value& arguments, Value& result) {
  if (arguments.kind != Kind::kTuple) return false;
  if (function == kOrderedDict) {
    result.kind = Kind::kDictionary;
    return arguments.items.empty();
  }
  if (function == kRebuildTensor) return rebuild_tensor(arguments.items, result);
  if (function == kRebuildParameter) {  // (tensor, requires_grad, hooks)
    if (arguments.items.size() != 3 || arguments.items[0]->kind != Kind::kTensor) return false;
    result = *arguments.items[0];
    return true;
  }
  return false;
}

bool storage_from_id(const Value& id, Value& result) {
  if (id.kind != Kind::kTuple || id.items.size() != 5) return false;
  const Value &tag = *id.items[0], &type = *id.items[1], &key = *id.items[2], &count = *id.items[4];
  if (tag.kind != Kind::kText || tag.text != "storage" || type.kind != Kind::kGlobal) return false;
  if (key.kind != Kind::kText || count.kind != Kind::kInteger || count.integer < 0) return false;
  const auto dtype = storage_dtype(type.text);
  if (!dtype) return false;
  result.kind = Kind::kStorage;
  result.tensor.tensor.dtype = *dtype;
  result.tensor.storage_key = key.text;
  result.tensor.storage_elements = count.integer;
  return true;
}

}  // namespace peryton::pickle
