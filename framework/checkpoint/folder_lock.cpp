// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "framework/checkpoint/files.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

// What the holder wrote: its process id, or nothing yet.
std::string holder_of(int descriptor) {
  std::array<char, 32> text{};
  const ssize_t count = ::pread(descriptor, text.data(), text.size() - 1, 0);
  std::string holder(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  while (!holder.empty() && holder.back() == '\n') holder.pop_back();
  return holder;
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder) {
  make_folder(folder);
  const std::filesystem::path file = folder / ".lock";
  descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_system("cannot lock the folder", folder.string(), true);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    const std::string holder = holder_of(descriptor_);
    ::close(descriptor_);
    if (why != EWOULDBLOCK) {
      errno = why;
      fail_system("cannot lock the folder", folder.string(), true);
    }
    fail_input("another run uses this folder" +
                   (holder.empty() ? std::string() : " (process " + holder + ")"),
               folder.string(), "wait until it ends, stop it, or choose another run.folder");
  }
  const std::string self = std::to_string(::getpid()) + "\n";
  // Only for the message above: a failure to write it changes nothing.
  if (::ftruncate(descriptor_, 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(descriptor_, self.data(), self.size(), 0);
  }
}

// Closing releases the lock. The file stays: removing it would let two holders lock two different
// files.
FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace peryton
