// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "framework/core/error.h"

namespace peryton {
namespace {

// One write() moves at most about 2 GiB; smaller pieces also notice a full disk sooner.
constexpr std::size_t kWriteChunk = std::size_t{64} << 20;

std::filesystem::path parent_of(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.parent_path();
  return parent.empty() ? "." : parent;
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path)
    : path_(std::move(path)),
      temporary_(parent_of(path_) / ("." + path_.filename().string() + ".partial")) {
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_system("cannot create the file", path_.string(), true);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  PERYTON_CHECK(descriptor_ >= 0, "write after commit");
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), kWriteChunk);
    const ssize_t written = ::write(descriptor_, bytes.data(), count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_system("cannot write the file", path_.string(), true);
    if (written == 0) fail_system("cannot write the file: the disk takes no more", path_.string());
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text.data(), text.size())));
}

void AtomicFile::sync() {
  if (::fsync(descriptor_) != 0) fail_system("cannot write the file", path_.string(), true);
}

void AtomicFile::commit(const FaultPoint& at_point) {
  sync();
  reach(at_point, "file-synced");
  const int descriptor = descriptor_;
  descriptor_ = -1;
  // Network file systems report a full disk only here.
  const bool closed = ::close(descriptor) == 0;
  if (!closed || std::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int why = errno;
    ::unlink(temporary_.c_str());
    errno = why;
    fail_system("cannot write the file", path_.string(), true);
  }
  reach(at_point, "file-renamed");
  fsync_folder(parent_of(path_));
}

void atomic_write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void atomic_write_file(const std::filesystem::path& path, std::string_view text) {
  atomic_write_file(path, std::as_bytes(std::span(text.data(), text.size())));
}

void atomic_copy_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  atomic_write_file(to, MappedFile::open(from)->bytes());
}

void fsync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail_system("cannot open the folder", folder.string(), true);
  const bool synced = ::fsync(descriptor) == 0 || errno == EINVAL;  // some file systems have none
  const int why = errno;
  ::close(descriptor);
  errno = why;
  if (!synced) fail_system("cannot sync the folder", folder.string(), true);
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error || !std::filesystem::is_directory(folder)) {
    const std::string why = error ? error.message() : "a file has its name";
    fail_system("cannot make the folder: " + why, folder.string());
  }
}

void remove_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::remove_all(folder, error);
  if (error) fail_system("cannot remove the folder: " + error.message(), folder.string());
}

std::string read_file(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  return {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()};
}

}  // namespace peryton
