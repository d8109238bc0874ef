// The bytes at the head of a token file, and where its parts lie.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "framework/data/token_file.h"

namespace peryton {

static_assert(std::endian::native == std::endian::little, "token files are little-endian");

inline constexpr std::uint64_t kTokenFileMagic = 0x4E454B4F54595250;  // "PRYTOKEN"
inline constexpr std::uint32_t kTokenFileVersion = 1;

struct TokenFileHeader {
  std::uint64_t magic = kTokenFileMagic;
  std::uint32_t version = kTokenFileVersion;
  std::uint32_t token_bytes = 2;  // 2 or 4
  std::int64_t tokens = 0;
  std::int64_t documents = 0;
  std::int32_t vocabulary_size = 0;
  std::int32_t end_of_text = 0;
  std::uint64_t tokenizer_hash = 0;
  std::uint64_t has_mask = 0;
  std::uint64_t checksum = 0;         // xxh3 of everything behind the header
  std::uint64_t header_checksum = 0;  // xxh3 of the header with this field 0
  std::uint64_t reserved[7] = {};
};
static_assert(sizeof(TokenFileHeader) == kTokenFileHeaderBytes);

// Offsets of the parts from the start of the file, in bytes.
struct TokenFileParts {
  explicit TokenFileParts(const TokenFileHeader& header) {
    mask = aligned(kTokenFileHeaderBytes + header.tokens * header.token_bytes);
    offsets = aligned(mask + (header.has_mask != 0 ? header.tokens : 0));
    document_bytes = aligned(offsets + (header.documents + 1) * 8);
    file_bytes = document_bytes + header.documents * 8;
  }
  static std::int64_t aligned(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

  std::int64_t mask, offsets, document_bytes, file_bytes;
};

std::uint64_t checksum_of_header(TokenFileHeader header);
// Of a whole file in memory, without its header.
std::uint64_t checksum_of_contents(const std::byte* file, std::int64_t file_bytes);

}  // namespace peryton
