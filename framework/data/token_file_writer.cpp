// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "framework/core/error.h"
#include "framework/data/token_file.h"
#include "framework/data/token_file_header.h"

namespace peryton {

std::uint64_t checksum_of_header(TokenFileHeader header) {
  header.header_checksum = 0;
  return XXH3_64bits(&header, sizeof header);
}

std::uint64_t checksum_of_contents(const std::byte* file, std::int64_t file_bytes) {
  return XXH3_64bits(file + kTokenFileHeaderBytes,
                     static_cast<std::size_t>(file_bytes - kTokenFileHeaderBytes));
}

// The file that grows, its checksum, and a buffer.
struct TokenFileWriter::Output {
  explicit Output(std::string partial) : path(std::move(partial)), hash(XXH3_createState()) {
    XXH3_64bits_reset(hash);
    file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) {
      XXH3_freeState(hash);
      fail_system("the token file cannot be made", path, true);
    }
  }
  ~Output() {
    XXH3_freeState(hash);
    if (file < 0) return;
    ::close(file);
    ::unlink(path.c_str());
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void put(const void* data, std::size_t bytes) {
    buffer.append(static_cast<const char*>(data), bytes);
    position += static_cast<std::int64_t>(bytes);
    constexpr std::size_t kBuffer = std::size_t{1} << 20;
    if (buffer.size() >= kBuffer) flush();
  }

  void flush() {
    XXH3_64bits_update(hash, buffer.data(), buffer.size());
    write(buffer.data(), buffer.size());
    buffer.clear();
  }

  void write(const char* data, std::size_t bytes) const {
    while (bytes > 0) {
      const ssize_t written = ::write(file, data, bytes);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail_system("the token file cannot be written", path, true);
      data += written;
      bytes -= static_cast<std::size_t>(written);
    }
  }

  void pad() {
    static constexpr char kZeros[64] = {};
    put(kZeros, static_cast<std::size_t>(TokenFileParts::aligned(position) - position));
  }

  std::string path, buffer;
  XXH3_state_t* hash;
  int file = -1;
  std::int64_t position = kTokenFileHeaderBytes;
};

TokenFileWriter::TokenFileWriter(std::filesystem::path path, const TokenFileSettings& settings)
    : path_(std::move(path)), settings_(settings) {
  PERYTON_CHECK(settings.vocabulary_size > 0 && settings.end_of_text >= 0 &&
                settings.end_of_text < settings.vocabulary_size);
  output_ = std::make_unique<Output>(path_.string() + ".partial");
  const TokenFileHeader empty{.magic = 0};  // not a token file until finish()
  output_->write(reinterpret_cast<const char*>(&empty), sizeof empty);
}

TokenFileWriter::~TokenFileWriter() = default;

void TokenFileWriter::put_tokens(std::span<const std::int32_t> ids) {
  for (const std::int32_t id : ids) {
    PERYTON_CHECK(id >= 0 && id < settings_.vocabulary_size, "token id {}", id);
    const auto narrow = static_cast<std::uint16_t>(id);
    settings_.vocabulary_size > 0x10000 ? output_->put(&id, 4) : output_->put(&narrow, 2);
  }
}

void TokenFileWriter::add(std::span<const std::int32_t> ids, std::int64_t bytes,
                          std::span<const std::uint8_t> mask) {
  PERYTON_CHECK(output_ != nullptr, "the token file is finished");
  PERYTON_CHECK(mask.empty() || (settings_.loss_mask && mask.size() == ids.size()));
  put_tokens({&settings_.end_of_text, 1});
  put_tokens(ids);
  if (settings_.loss_mask) {
    mask_.push_back(1);  // where a document ends is learnt
    mask.empty() ? mask_.insert(mask_.end(), ids.size(), 1)
                 : mask_.insert(mask_.end(), mask.begin(), mask.end());
  }
  offsets_.push_back(offsets_.back() + 1 + static_cast<std::int64_t>(ids.size()));
  bytes_.push_back(bytes);
}

void TokenFileWriter::finish() {
  Output& out = *output_;
  out.pad();
  if (settings_.loss_mask) out.put(mask_.data(), mask_.size());
  out.pad();
  out.put(offsets_.data(), offsets_.size() * sizeof offsets_[0]);
  out.pad();
  out.put(bytes_.data(), bytes_.size() * sizeof(std::int64_t));
  out.flush();
  TokenFileHeader header;
  header.token_bytes = settings_.vocabulary_size > 0x10000 ? 4 : 2;
  header.tokens = tokens();
  header.documents = documents();
  header.vocabulary_size = settings_.vocabulary_size;
  header.end_of_text = settings_.end_of_text;
  header.tokenizer_hash = settings_.tokenizer_hash;
  header.has_mask = settings_.loss_mask ? 1 : 0;
  header.checksum = XXH3_64bits_digest(out.hash);
  header.header_checksum = checksum_of_header(header);
  if (::lseek(out.file, 0, SEEK_SET) != 0) fail_system("cannot seek", out.path, true);
  out.write(reinterpret_cast<const char*>(&header), sizeof header);
  if (::fsync(out.file) != 0) fail_system("the token file cannot be flushed", out.path, true);
  if (::rename(out.path.c_str(), path_.c_str()) != 0)
    fail_system("cannot be renamed", out.path, true);
  ::close(out.file);
  out.file = -1;
  output_.reset();
}

}  // namespace peryton
