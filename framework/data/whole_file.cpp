// SPDX-License-Identifier: Apache-2.0
#include "framework/data/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "framework/core/error.h"

namespace peryton {

std::string read_whole_file(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) fail_input("no such file", path.string());
  if (!std::filesystem::is_regular_file(path, error)) fail_input("not a file", path.string());
  std::ifstream in(path, std::ios::binary);
  std::string contents(std::filesystem::file_size(path), '\0');
  in.read(contents.data(), static_cast<std::streamsize>(contents.size()));
  if (!in) fail_input(fmt::format("cannot be read: {}", std::strerror(errno)), path.string());
  return contents;
}

void write_whole_file(const std::filesystem::path& path, std::string_view contents) {
  const std::string partial = path.string() + ".partial";
  const int file = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) fail_system("cannot be written", partial, true);
  const auto fail = [&](const char* what) {
    const int reason = errno;
    ::close(file);
    ::unlink(partial.c_str());
    errno = reason;
    fail_system(what, partial, true);
  };
  while (!contents.empty()) {
    const ssize_t written = ::write(file, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    contents.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(file) != 0) fail("cannot be flushed");
  ::close(file);
  if (::rename(partial.c_str(), path.c_str()) != 0) fail_system("cannot be renamed", partial, true);
}

}  // namespace peryton
