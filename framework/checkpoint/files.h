// Files that are either whole or absent: write to a temporary name in the same folder, fsync,
// rename, fsync of the folder. Every failure (disk full, read-only folder, short write) is a system
// error that names the path and leaves nothing half-written behind.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace peryton {

// Called at named points inside a save; fault trials kill the process there. May be empty.
using FaultPoint = std::function<void(std::string_view point)>;

inline void reach(const FaultPoint& at_point, std::string_view point) {
  if (at_point) at_point(point);
}

// A file that gets its name only on commit().
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();  // without commit(): the temporary file is removed
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void sync();                                   // data is on the disk
  void commit(const FaultPoint& at_point = {});  // sync, rename over `path`, sync of the folder
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

void atomic_write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void atomic_write_file(const std::filesystem::path& path, std::string_view text);
// Copies a regular file atomically.
void atomic_copy_file(const std::filesystem::path& from, const std::filesystem::path& to);
void fsync_folder(const std::filesystem::path& folder);
// Creates a folder and what is missing above it; failures are system errors.
void make_folder(const std::filesystem::path& folder);

// Removes a folder with all that is in it, if it is there; failures are system errors.
void remove_folder(const std::filesystem::path& folder);

// The whole file. Missing or unreadable is the user's error.
std::string read_file(const std::filesystem::path& path);

// A file mapped read-only. Missing, unreadable or a folder is the user's error; an empty file maps
// to no bytes.
class MappedFile {
 public:
  static std::shared_ptr<MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

// Holds `folder`/.lock with flock while it lives, so two runs never write into one folder. The
// folder is made if it is missing. A folder that another process holds is the user's error and
// names that process.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept : descriptor_(other.descriptor_) {
    other.descriptor_ = -1;
  }
  FolderLock& operator=(FolderLock&&) = delete;
  FolderLock(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace peryton
