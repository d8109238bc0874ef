// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/safetensors.h"

#include "framework/checkpoint/safetensors_header.h"

namespace peryton {

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  SafetensorsFile result;
  result.path_ = path;
  result.file_ = MappedFile::open(path);
  const std::span<const std::byte> bytes = result.file_->bytes();
  SafetensorsHeader header = parse_safetensors_header(bytes, path.string());
  for (auto& [name, entry] : header.entries) {
    const auto begin = static_cast<std::size_t>(header.data_begin + entry.begin);
    const auto size = static_cast<std::size_t>(entry.end - entry.begin);
    result.entries_[name] = {std::move(entry.tensor), bytes.subspan(begin, size)};
  }
  result.metadata_ = std::move(header.metadata);
  return result;
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const auto& item : entries_) names.push_back(item.first);
  return names;
}

const SafetensorsFile::Entry& SafetensorsFile::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail_input(fmt::format("has no tensor '{}'", name), path_.string());
  return found->second;
}

Tensor SafetensorsFile::load(const std::string& name, std::optional<DType> as) const {
  const Entry& found = entry(name);
  return tensor_from_stored(found.tensor, found.bytes, as,
                            fmt::format("{}, tensor '{}'", path_.string(), name));
}

void SafetensorsFile::visit_bytes(
    const std::string& name, const std::function<void(std::span<const std::byte>)>& visit) const {
  visit(entry(name).bytes);
}

}  // namespace peryton
