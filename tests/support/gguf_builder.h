// Writes GGUF files, right ones and wrong ones, for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace peryton::testing_support {

inline std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class GgufBuilder {
 public:
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;  // of the data; the key general.alignment is not written
  std::uint64_t more_tensors = 0, more_entries = 0;  // added to the counts in the head

  // One metadata entry with the bytes of its type and value as given.
  GgufBuilder& entry(std::string_view key, std::uint32_t type, const std::string& value) {
    entries_ += text(key) + number(type) + value;
    ++entry_count_;
    return *this;
  }
  GgufBuilder& add(std::string_view key, std::string_view value) {
    return entry(key, 8, text(value));
  }
  GgufBuilder& add(std::string_view key, std::uint32_t value) {
    return entry(key, 4, number(value));
  }
  GgufBuilder& add(std::string_view key, float value) { return entry(key, 6, number(value)); }
  GgufBuilder& add(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes = number<std::uint32_t>(8) + number<std::uint64_t>(values.size());
    for (const std::string& value : values) bytes += text(value);
    return entry(key, 9, bytes);
  }
  GgufBuilder& add(std::string_view key, const std::vector<std::int32_t>& values) {
    std::string bytes = number<std::uint32_t>(5) + number<std::uint64_t>(values.size());
    for (const std::int32_t value : values) bytes += number(value);
    return entry(key, 9, bytes);
  }
  GgufBuilder& add(std::string_view key, const std::vector<float>& values) {
    std::string bytes = number<std::uint32_t>(6) + number<std::uint64_t>(values.size());
    for (const float value : values) bytes += number(value);
    return entry(key, 9, bytes);
  }

  // Sizes fastest first, as in the file; the offset follows from the tensors before.
  GgufBuilder& tensor(std::string_view name, const std::vector<std::uint64_t>& sizes,
                      std::uint32_t type, const std::string& data) {
    data_.resize((data_.size() + alignment - 1) / alignment * alignment);
    info(name, sizes, type, data_.size());
    data_ += data;
    return *this;
  }
  GgufBuilder& floats(std::string_view name, const std::vector<std::uint64_t>& sizes,
                      const std::vector<float>& values) {
    std::string data;
    for (const float value : values) data += number(value);
    return tensor(name, sizes, 0, data);
  }
  // The description alone.
  GgufBuilder& info(std::string_view name, const std::vector<std::uint64_t>& sizes,
                    std::uint32_t type, std::uint64_t offset) {
    infos_ += text(name) + number(static_cast<std::uint32_t>(sizes.size()));
    for (const std::uint64_t size : sizes) infos_ += number(size);
    infos_ += number(type) + number(offset);
    ++tensor_count_;
    return *this;
  }
  GgufBuilder& raw_info(const std::string& bytes) {
    infos_ += bytes;
    ++tensor_count_;
    return *this;
  }

  std::string build() const {
    std::string file = magic + number(version) + number(tensor_count_ + more_tensors) +
                       number(entry_count_ + more_entries) + entries_ + infos_;
    file.resize((file.size() + alignment - 1) / alignment * alignment);
    return file + data_;
  }

  template <class T>
  static std::string number(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }
  static std::string text(std::string_view value) {
    return number<std::uint64_t>(value.size()) + std::string(value);
  }

 private:
  std::uint64_t entry_count_ = 0, tensor_count_ = 0;
  std::string entries_, infos_, data_;
};

}  // namespace peryton::testing_support
