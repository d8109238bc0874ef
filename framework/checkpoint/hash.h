// Content hashes: xxh3, 128 bits, as 32 lower-case hexadecimal digits. They detect damage and
// changed inputs; they are no defence against somebody who wants a collision.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "framework/core/named_tensor.h"

namespace peryton {

class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  void add(std::span<const std::byte> bytes);
  // Length first, so that ("ab", "c") and ("a", "bc") differ.
  void add(std::string_view text);
  void add(std::int64_t value);
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string hash_bytes(std::span<const std::byte> bytes);
std::string hash_text(std::string_view text);
// A file that cannot be read is an error that names it (files.h).
std::string hash_file(const std::filesystem::path& path);
// Names, dtypes, shapes and bytes of all tensors; the order in which they come does not count.
std::string hash_tensors(std::span<const NamedTensor> tensors);

}  // namespace peryton
