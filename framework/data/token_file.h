// Memory-mapped token files: what training and evaluation read.
//
// Layout, little-endian: a header of kTokenFileHeaderBytes; tokens (uint16 where the vocabulary
// allows it, else uint32); the loss mask, one byte per token, where there is one; document offsets,
// int64 [documents + 1], in tokens; document byte lengths, int64 [documents]. Each part starts at a
// multiple of 64. A document is stored as an end-of-text token followed by its own tokens.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace peryton {

inline constexpr std::int64_t kTokenFileHeaderBytes = 128;

// Read-only, shareable between threads. Pages come in as they are touched.
class TokenFile {
 public:
  // Maps the file and checks its header and its size; `verify` also checks the checksum of the
  // contents (reads all of it). Throws kUserInput naming the file and what is wrong with it.
  static std::shared_ptr<const TokenFile> open(const std::filesystem::path& path,
                                               bool verify = false);
  ~TokenFile();
  TokenFile(const TokenFile&) = delete;
  TokenFile& operator=(const TokenFile&) = delete;

  std::int64_t tokens() const { return tokens_; }  // with the end-of-text tokens
  std::int64_t documents() const { return documents_; }
  std::int32_t vocabulary_size() const { return vocabulary_size_; }
  std::int32_t end_of_text() const { return end_of_text_; }
  std::uint64_t tokenizer_hash() const { return tokenizer_hash_; }
  std::uint64_t checksum() const { return checksum_; }
  bool has_loss_mask() const { return mask_ != nullptr; }
  const std::filesystem::path& path() const { return path_; }

  // position in [0, tokens()).
  std::int32_t token(std::int64_t position) const {
    return wide_ ? static_cast<std::int32_t>(static_cast<const std::uint32_t*>(data_)[position])
                 : static_cast<const std::uint16_t*>(data_)[position];
  }
  // Whether the token at `position` is learnt and scored as a target.
  bool learnt(std::int64_t position) const { return mask_ == nullptr || mask_[position] != 0; }

  // Document d is tokens [document_begin(d), document_begin(d + 1)); the first of them is
  // end-of-text.
  std::int64_t document_begin(std::int64_t document) const { return offsets_[document]; }
  // The document's own tokens, without the end-of-text.
  std::int64_t document_tokens(std::int64_t document) const {
    return offsets_[document + 1] - offsets_[document] - 1;
  }
  // UTF-8 bytes of the text that is scored: the document, or its completion where it has a prompt.
  std::int64_t document_bytes(std::int64_t document) const { return bytes_[document]; }
  // The document that holds `position`.
  std::int64_t document_at(std::int64_t position) const;

 private:
  TokenFile() = default;
  void map(const std::filesystem::path& path);
  void check_offsets() const;

  std::filesystem::path path_;
  void* mapping_ = nullptr;
  std::int64_t file_bytes_ = 0;
  const void* data_ = nullptr;
  const std::uint8_t* mask_ = nullptr;
  const std::int64_t* offsets_ = nullptr;
  const std::int64_t* bytes_ = nullptr;
  bool wide_ = false;
  std::int64_t tokens_ = 0, documents_ = 0;
  std::int32_t vocabulary_size_ = 0, end_of_text_ = 0;
  std::uint64_t tokenizer_hash_ = 0, checksum_ = 0;
};

struct TokenFileSettings {
  std::int32_t vocabulary_size = 0;
  std::int32_t end_of_text = 0;
  std::uint64_t tokenizer_hash = 0;
  bool loss_mask = false;
};

// Writes to `path`.partial and renames it in finish(); a writer that is dropped leaves nothing
// behind.
class TokenFileWriter {
 public:
  TokenFileWriter(std::filesystem::path path, const TokenFileSettings& settings);
  ~TokenFileWriter();
  TokenFileWriter(const TokenFileWriter&) = delete;
  TokenFileWriter& operator=(const TokenFileWriter&) = delete;

  // Appends one document (its end-of-text is added here). `mask`, one byte per id, only with
  // settings.loss_mask. `bytes`: UTF-8 bytes of the text that is scored.
  void add(std::span<const std::int32_t> ids, std::int64_t bytes,
           std::span<const std::uint8_t> mask = {});
  void finish();

  std::int64_t tokens() const { return offsets_.back(); }
  std::int64_t documents() const { return static_cast<std::int64_t>(bytes_.size()); }

 private:
  struct Output;
  void put_tokens(std::span<const std::int32_t> ids);

  std::filesystem::path path_;
  TokenFileSettings settings_;
  std::unique_ptr<Output> output_;
  std::vector<std::uint8_t> mask_;
  std::vector<std::int64_t> offsets_{0}, bytes_;
};

}  // namespace peryton
