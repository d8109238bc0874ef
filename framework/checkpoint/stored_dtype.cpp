// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/stored_dtype.h"

#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "framework/checkpoint/half.h"

namespace peryton {
namespace {

struct Row {
  StoredDType dtype;
  std::string_view name;
  std::int64_t bytes;
  bool is_float;
};

// In the order of the enumeration.
constexpr std::array<Row, 15> kRows = {{
    {StoredDType::kF64, "F64", 8, true},
    {StoredDType::kF32, "F32", 4, true},
    {StoredDType::kF16, "F16", 2, true},
    {StoredDType::kBF16, "BF16", 2, true},
    {StoredDType::kF8E4M3, "F8_E4M3", 1, true},
    {StoredDType::kF8E5M2, "F8_E5M2", 1, true},
    {StoredDType::kI64, "I64", 8, false},
    {StoredDType::kI32, "I32", 4, false},
    {StoredDType::kI16, "I16", 2, false},
    {StoredDType::kI8, "I8", 1, false},
    {StoredDType::kU64, "U64", 8, false},
    {StoredDType::kU32, "U32", 4, false},
    {StoredDType::kU16, "U16", 2, false},
    {StoredDType::kU8, "U8", 1, false},
    {StoredDType::kBool, "BOOL", 1, false},
}};

const Row& row_of(StoredDType dtype) { return kRows[static_cast<std::size_t>(dtype)]; }

template <class T>
T read_at(const std::byte* bytes, std::int64_t index) {
  T value;
  std::memcpy(&value, bytes + index * static_cast<std::int64_t>(sizeof(T)), sizeof value);
  return value;
}

template <class From>
Tensor widen_floats(const StoredTensor& info, const std::byte* bytes, DType as) {
  Tensor tensor = Tensor::empty(as, Shape(info.shape));
  const std::int64_t count = tensor.elements();
  dispatch_float(as, "load", [&](auto tag) {
    using To = typename decltype(tag)::type;
    To* to = tensor.data<To>();
    for (std::int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_same_v<From, double>) {
        to[i] = static_cast<To>(static_cast<compute_t<To>>(read_at<From>(bytes, i)));
      } else {
        to[i] = static_cast<To>(static_cast<float>(read_at<From>(bytes, i)));
      }
    }
  });
  return tensor;
}

template <class From>
Tensor narrow_integers(const StoredTensor& info, const std::byte* bytes, const std::string& where) {
  Tensor tensor = Tensor::empty(DType::kInt32, Shape(info.shape));
  auto* to = tensor.data<std::int32_t>();
  for (std::int64_t i = 0, count = tensor.elements(); i < count; ++i) {
    const From value = read_at<From>(bytes, i);
    if (!std::in_range<std::int32_t>(value)) {
      fail_input(fmt::format("element {} is {}, which does not fit 32 bits", i, value), where);
    }
    to[i] = static_cast<std::int32_t>(value);
  }
  return tensor;
}

Tensor copy_bytes(const StoredTensor& info, std::span<const std::byte> bytes, DType dtype) {
  Tensor tensor = Tensor::empty(dtype, Shape(info.shape));
  if (!bytes.empty()) std::memcpy(tensor.raw(), bytes.data(), bytes.size());
  return tensor;
}

Tensor load_floats(const StoredTensor& info, std::span<const std::byte> bytes, DType as,
                   const std::string& where) {
  if (stored_dtype_of(as) == info.dtype) return copy_bytes(info, bytes, as);
  switch (info.dtype) {
    case StoredDType::kF64:
      return widen_floats<double>(info, bytes.data(), as);
    case StoredDType::kF32:
      return widen_floats<float>(info, bytes.data(), as);
    case StoredDType::kF16:
      return widen_floats<Half>(info, bytes.data(), as);
    case StoredDType::kBF16:
      return widen_floats<BFloat16>(info, bytes.data(), as);
    default:
      fail_input(fmt::format("{} weights are not supported", name_of(info.dtype)), where,
                 "convert them to BF16, F16 or F32 first");
  }
}

Tensor load_integers(const StoredTensor& info, std::span<const std::byte> bytes,
                     const std::string& where) {
  switch (info.dtype) {
    case StoredDType::kI64:
      return narrow_integers<std::int64_t>(info, bytes.data(), where);
    case StoredDType::kI32:
      return copy_bytes(info, bytes, DType::kInt32);
    case StoredDType::kI16:
      return narrow_integers<std::int16_t>(info, bytes.data(), where);
    case StoredDType::kI8:
      return narrow_integers<std::int8_t>(info, bytes.data(), where);
    case StoredDType::kU64:
      return narrow_integers<std::uint64_t>(info, bytes.data(), where);
    case StoredDType::kU32:
      return narrow_integers<std::uint32_t>(info, bytes.data(), where);
    case StoredDType::kU16:
      return narrow_integers<std::uint16_t>(info, bytes.data(), where);
    default:
      return narrow_integers<std::uint8_t>(info, bytes.data(), where);
  }
}

}  // namespace

std::string_view name_of(StoredDType dtype) { return row_of(dtype).name; }
std::int64_t size_of(StoredDType dtype) { return row_of(dtype).bytes; }
bool is_float(StoredDType dtype) { return row_of(dtype).is_float; }

std::optional<StoredDType> stored_dtype_from_name(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

StoredDType stored_dtype_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return StoredDType::kF32;
    case DType::kBFloat16:
      return StoredDType::kBF16;
    case DType::kFloat64:
      return StoredDType::kF64;
    case DType::kInt32:
      return StoredDType::kI32;
    case DType::kUInt8:
      return StoredDType::kU8;
  }
  PERYTON_CHECK(false, "dtype {}", static_cast<int>(dtype));
  return StoredDType::kF32;
}

std::int64_t StoredTensor::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Tensor tensor_from_stored(const StoredTensor& info, std::span<const std::byte> bytes,
                          std::optional<DType> as, const std::string& where) {
  PERYTON_CHECK(static_cast<std::int64_t>(bytes.size()) == info.bytes(), "{}: {} bytes", where,
                bytes.size());
  if (info.shape.size() > static_cast<std::size_t>(Shape::kMaxRank)) {
    fail_input(fmt::format("shape {} has more than {} dimensions", shape_text(info.shape),
                           Shape::kMaxRank),
               where);
  }
  const bool byte_like = info.dtype == StoredDType::kU8 || info.dtype == StoredDType::kBool;
  if (byte_like && as.value_or(DType::kUInt8) == DType::kUInt8) {
    return copy_bytes(info, bytes, DType::kUInt8);
  }
  const bool wants_float = as && *as != DType::kInt32 && *as != DType::kUInt8;
  if (as && wants_float != is_float(info.dtype)) {
    fail_input(fmt::format("holds {}, not {}", name_of(info.dtype), name_of(*as)), where);
  }
  if (!is_float(info.dtype)) {
    if (as == DType::kUInt8)
      fail_input(fmt::format("holds {}, not uint8", name_of(info.dtype)), where);
    return load_integers(info, bytes, where);
  }
  const bool keeps = info.dtype == StoredDType::kF64 || info.dtype == StoredDType::kBF16;
  const DType natural = !keeps                            ? DType::kFloat32
                        : info.dtype == StoredDType::kF64 ? DType::kFloat64
                                                          : DType::kBFloat16;
  return load_floats(info, bytes, as.value_or(natural), where);
}

}  // namespace peryton
