// SPDX-License-Identifier: Apache-2.0
#include "framework/data/token_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "framework/core/error.h"
#include "framework/data/token_file_header.h"

namespace peryton {
namespace {

constexpr const char* kMakeAgain = "delete it and prepare the data again";

const TokenFileHeader& checked_header(const void* mapping, std::int64_t bytes,
                                      const std::string& where) {
  const auto& header = *static_cast<const TokenFileHeader*>(mapping);
  if (header.magic != kTokenFileMagic) fail_input("not a token file", where);
  if (header.version != kTokenFileVersion) {
    fail_input(fmt::format("token file of version {}, this program reads {}", header.version,
                           kTokenFileVersion),
               where, kMakeAgain);
  }
  if (header.header_checksum != checksum_of_header(header)) {
    fail_input("the header of the token file is damaged", where, kMakeAgain);
  }
  if (TokenFileParts(header).file_bytes != bytes) {
    fail_input(fmt::format("the token file has {} bytes, its header says {}", bytes,
                           TokenFileParts(header).file_bytes),
               where, kMakeAgain);
  }
  return header;
}

}  // namespace

void TokenFile::map(const std::filesystem::path& path) {
  path_ = path;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail_input("the token file cannot be opened", path.string());
  struct stat status {};
  const bool regular = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  if (!regular || status.st_size < kTokenFileHeaderBytes) {
    ::close(file);
    fail_input("not a token file: too short", path.string());
  }
  file_bytes_ = status.st_size;
  void* mapping =
      ::mmap(nullptr, static_cast<std::size_t>(file_bytes_), PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  if (mapping == MAP_FAILED) fail_system("cannot be mapped", path.string(), true);
  mapping_ = mapping;
}

std::shared_ptr<const TokenFile> TokenFile::open(const std::filesystem::path& path, bool verify) {
  const std::shared_ptr<TokenFile> file(new TokenFile);
  file->map(path);
  const auto& header = checked_header(file->mapping_, file->file_bytes_, path.string());
  const auto* base = static_cast<const std::byte*>(file->mapping_);
  if (verify && checksum_of_contents(base, file->file_bytes_) != header.checksum) {
    fail_input("the contents of the token file are damaged", path.string(), kMakeAgain);
  }
  const TokenFileParts parts(header);
  file->data_ = base + kTokenFileHeaderBytes;
  if (header.has_mask != 0) file->mask_ = reinterpret_cast<const std::uint8_t*>(base + parts.mask);
  file->offsets_ = reinterpret_cast<const std::int64_t*>(base + parts.offsets);
  file->bytes_ = reinterpret_cast<const std::int64_t*>(base + parts.document_bytes);
  file->wide_ = header.token_bytes == 4;
  file->tokens_ = header.tokens;
  file->documents_ = header.documents;
  file->vocabulary_size_ = header.vocabulary_size;
  file->end_of_text_ = header.end_of_text;
  file->tokenizer_hash_ = header.tokenizer_hash;
  file->checksum_ = header.checksum;
  file->check_offsets();
  return file;
}

TokenFile::~TokenFile() {
  if (mapping_ != nullptr) ::munmap(mapping_, static_cast<std::size_t>(file_bytes_));
}

void TokenFile::check_offsets() const {
  bool valid = offsets_[0] == 0 && offsets_[documents_] == tokens_;
  for (std::int64_t d = 0; d < documents_; ++d) valid &= offsets_[d] < offsets_[d + 1];
  if (!valid)
    fail_input("the document table of the token file is damaged", path_.string(), kMakeAgain);
}

std::int64_t TokenFile::document_at(std::int64_t position) const {
  return std::upper_bound(offsets_, offsets_ + documents_ + 1, position) - offsets_ - 1;
}

}  // namespace peryton
