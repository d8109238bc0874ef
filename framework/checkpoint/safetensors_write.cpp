// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/safetensors.h"

namespace peryton {
namespace {

using Sorted = std::vector<const NamedTensor*>;

// Widest elements first, names within: each tensor is then aligned to its own element size.
Sorted file_order(std::span<const NamedTensor> tensors) {
  Sorted sorted;
  for (const NamedTensor& tensor : tensors) sorted.push_back(&tensor);
  std::ranges::sort(sorted, {}, [](const NamedTensor* tensor) {
    return std::pair(-size_of(tensor->value.dtype()), std::string_view(tensor->name));
  });
  std::vector<std::string_view> names;
  for (const NamedTensor* tensor : sorted) names.push_back(tensor->name);
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  PERYTON_CHECK(twice == names.end(), "two tensors named '{}'", *twice);
  return sorted;
}

std::string header_of(const Sorted& sorted, std::map<std::string, std::string> metadata) {
  metadata.emplace("format", "pt");
  nlohmann::ordered_json json;
  json["__metadata__"] = metadata;
  std::int64_t offset = 0;
  for (const NamedTensor* tensor : sorted) {
    PERYTON_CHECK(tensor->value.defined() && tensor->name != "__metadata__", "tensor '{}'",
                  tensor->name);
    nlohmann::ordered_json entry;
    entry["dtype"] = name_of(stored_dtype_of(tensor->value.dtype()));
    entry["shape"] = tensor->value.shape().vector();
    entry["data_offsets"] = {offset, offset + tensor->value.bytes()};
    json[tensor->name] = std::move(entry);
    offset += tensor->value.bytes();
  }
  std::string text = json.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

void write_tensor(AtomicFile& file, const Tensor& tensor) {
  const Tensor dense = tensor.as_contiguous();
  file.write(std::span(static_cast<const std::byte*>(dense.raw()),
                       static_cast<std::size_t>(dense.bytes())));
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       std::map<std::string, std::string> metadata, const FaultPoint& at_point) {
  const Sorted sorted = file_order(tensors);
  const std::string header = header_of(sorted, std::move(metadata));
  AtomicFile file(path);
  reach(at_point, "tensors-open");
  const std::uint64_t length = header.size();
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  reach(at_point, "tensors-header");
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i == sorted.size() / 2) reach(at_point, "tensors-half");
    write_tensor(file, sorted[i]->value);
  }
  reach(at_point, "tensors-written");
  file.commit(at_point);
}

}  // namespace peryton
