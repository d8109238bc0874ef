// The header of a safetensors file, checked in every field. Inner part of safetensors.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "framework/checkpoint/stored_dtype.h"

namespace peryton {

struct SafetensorsHeader {
  struct Entry {
    StoredTensor tensor;
    std::int64_t begin = 0, end = 0;  // bytes, within the data that follows the header
  };
  std::map<std::string, Entry> entries;
  std::map<std::string, std::string> metadata;
  std::int64_t data_begin = 0;  // bytes, within the file
};

// `file` is the whole file, `where` its path for errors. On return every entry lies within the
// file, has the size of its shape and dtype, and the entries cover the data without overlap or
// hole.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::string& where);

}  // namespace peryton
