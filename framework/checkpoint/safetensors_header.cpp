// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "framework/checkpoint/json_text.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the format's own library
constexpr const char* kDamagedHint = "the file is damaged or incomplete: copy or download it again";

std::string tensor_place(const std::string& where, const std::string& name) {
  return fmt::format("{}, tensor '{}'", where, name);
}

const Json& field(const Json& entry, const char* key, const std::string& place) {
  const auto found = entry.find(key);
  if (found == entry.end()) fail_input(fmt::format("has no '{}'", key), place, kDamagedHint);
  return *found;
}

std::int64_t non_negative(const Json& value, const std::string& what, const std::string& place) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kMax) {
    fail_input(fmt::format("{} is {}, not a count", what, value.dump()), place, kDamagedHint);
  }
  return static_cast<std::int64_t>(value.get<std::uint64_t>());
}

StoredDType parse_dtype(const Json& value, const std::string& place) {
  const auto dtype =
      value.is_string() ? stored_dtype_from_name(value.get<std::string>()) : std::nullopt;
  if (!dtype) fail_input(fmt::format("unknown dtype {}", value.dump()), place, kDamagedHint);
  return *dtype;
}

std::vector<std::int64_t> parse_shape(const Json& value, const std::string& place) {
  if (!value.is_array()) fail_input("shape is not a list", place, kDamagedHint);
  std::vector<std::int64_t> shape;
  for (const Json& size : value) shape.push_back(non_negative(size, "a size in its shape", place));
  return shape;
}

// Elements times bytes, or a user error: a damaged shape must not overflow into a plausible size.
std::int64_t checked_bytes(const StoredTensor& tensor, const std::string& place) {
  std::int64_t bytes = size_of(tensor.dtype);
  for (const std::int64_t size : tensor.shape) {
    if (__builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes)) {
      fail_input(fmt::format("shape {} is impossibly large", shape_text(tensor.shape)), place,
                 kDamagedHint);
    }
  }
  return std::ranges::count(tensor.shape, 0) > 0 ? 0 : bytes;
}

SafetensorsHeader::Entry parse_entry(const Json& value, std::int64_t data_bytes,
                                     const std::string& place) {
  if (!value.is_object()) fail_input("its description is not an object", place, kDamagedHint);
  for (const auto& item : value.items()) {
    if (item.key() != "dtype" && item.key() != "shape" && item.key() != "data_offsets") {
      fail_input(fmt::format("unknown field '{}'", item.key()), place, kDamagedHint);
    }
  }
  SafetensorsHeader::Entry entry;
  entry.tensor.dtype = parse_dtype(field(value, "dtype", place), place);
  entry.tensor.shape = parse_shape(field(value, "shape", place), place);
  const Json& offsets = field(value, "data_offsets", place);
  if (!offsets.is_array() || offsets.size() != 2) {
    fail_input("data_offsets are not two numbers", place, kDamagedHint);
  }
  entry.begin = non_negative(offsets[0], "its first data offset", place);
  entry.end = non_negative(offsets[1], "its second data offset", place);
  if (entry.begin > entry.end || entry.end > data_bytes) {
    fail_input(fmt::format("its data [{}, {}) lies outside of the file's {} data bytes",
                           entry.begin, entry.end, data_bytes),
               place, kDamagedHint);
  }
  const std::int64_t bytes = checked_bytes(entry.tensor, place);
  if (bytes != entry.end - entry.begin) {
    fail_input(fmt::format("{} {} needs {} bytes, its data has {}", name_of(entry.tensor.dtype),
                           shape_text(entry.tensor.shape), bytes, entry.end - entry.begin),
               place, kDamagedHint);
  }
  return entry;
}

std::map<std::string, std::string> parse_metadata(const Json& value, const std::string& where) {
  std::map<std::string, std::string> metadata;
  if (!value.is_object()) fail_input("__metadata__ is not an object", where, kDamagedHint);
  for (const auto& item : value.items()) {
    if (!item.value().is_string()) {
      fail_input(fmt::format("__metadata__ '{}' is not text", item.key()), where, kDamagedHint);
    }
    metadata[item.key()] = item.value().get<std::string>();
  }
  return metadata;
}

void check_cover(const SafetensorsHeader& header, std::int64_t data_bytes,
                 const std::string& where) {
  std::vector<std::pair<const std::string*, const SafetensorsHeader::Entry*>> sorted;
  for (const auto& [name, entry] : header.entries) sorted.emplace_back(&name, &entry);
  std::ranges::sort(
      sorted, {}, [](const auto& item) { return std::pair(item.second->begin, item.second->end); });
  std::int64_t covered = 0;
  for (const auto& [name, entry] : sorted) {
    if (entry->begin != covered) {
      fail_input(
          fmt::format("its data begins at {}, but the tensor before it ends at {}{}", entry->begin,
                      covered, entry->begin < covered ? ": they overlap" : ": there is a hole"),
          tensor_place(where, *name), kDamagedHint);
    }
    covered = entry->end;
  }
  if (covered != data_bytes) {
    fail_input(fmt::format("has {} data bytes, its tensors cover {}", data_bytes, covered), where,
               kDamagedHint);
  }
}

std::string_view header_text(std::span<const std::byte> file, const std::string& where) {
  if (file.size() < kLengthBytes) {
    fail_input(fmt::format("has {} bytes: too short for a safetensors file", file.size()), where,
               kDamagedHint);
  }
  std::uint64_t length;
  std::memcpy(&length, file.data(), sizeof length);
  if (length > kMaxHeaderBytes || length > file.size() - kLengthBytes) {
    fail_input(fmt::format("its header claims {} bytes, the file has {}: truncated, or not a "
                           "safetensors file",
                           length, file.size()),
               where, kDamagedHint);
  }
  const char* text = reinterpret_cast<const char*>(file.data()) + kLengthBytes;
  if (length == 0 || text[0] != '{') {
    fail_input("its header does not begin with '{': not a safetensors file", where, kDamagedHint);
  }
  return {text, length};
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::string& where) {
  const std::string_view text = header_text(file, where);
  const Json json = parse_json(text, where + ", header");
  SafetensorsHeader header;
  header.data_begin = static_cast<std::int64_t>(kLengthBytes + text.size());
  const auto data_bytes = static_cast<std::int64_t>(file.size()) - header.data_begin;
  for (const auto& item : json.items()) {
    if (item.key() == "__metadata__") {
      header.metadata = parse_metadata(item.value(), where);
    } else {
      header.entries[item.key()] =
          parse_entry(item.value(), data_bytes, tensor_place(where, item.key()));
    }
  }
  check_cover(header, data_bytes, where);
  return header;
}

}  // namespace peryton
