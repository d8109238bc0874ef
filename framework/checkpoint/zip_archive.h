// The part of the zip format that torch.save writes: entries stored without compression, zip64 when
// large.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace peryton {

// Entry name -> its bytes within `file`. Everything is bounds-checked and every entry's CRC-32
// verified; a compressed, encrypted, damaged or truncated archive is the user's error at `where`.
std::map<std::string, std::span<const std::byte>> read_stored_zip(std::span<const std::byte> file,
                                                                  const std::string& where);

// CRC-32 as zip defines it (reflected polynomial 0xEDB88320).
std::uint32_t crc32(std::span<const std::byte> bytes);

}  // namespace peryton
