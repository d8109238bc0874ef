// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fstream>
#include <vector>

#include "framework/checkpoint/hash.h"
#include "framework/core/error.h"
#include "launch/pipeline/identity.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kWholeUpTo = std::int64_t{64} << 20;
constexpr std::int64_t kPieces = 64;
constexpr std::int64_t kPieceBytes = 64 << 10;

void add_sample(const fs::path& file, std::int64_t size, Hasher& hasher) {
  std::ifstream stream(file, std::ios::binary);
  std::vector<char> piece(kPieceBytes);
  for (std::int64_t i = 0; i < kPieces; ++i) {
    stream.seekg((size - kPieceBytes) / (kPieces - 1) * i);
    stream.read(piece.data(), kPieceBytes);
    if (!stream) fail_system("cannot read", file.string());
    hasher.add(std::as_bytes(std::span(piece)));
  }
}

void add_file(const fs::path& file, const std::string& name, Hasher& hasher) {
  const auto size = static_cast<std::int64_t>(fs::file_size(file));
  hasher.add(std::string_view(name));
  hasher.add(size);
  if (size > kWholeUpTo) return add_sample(file, size, hasher);
  hasher.add(std::string_view(hash_file(file)));
}

}  // namespace

std::string fingerprint(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  Hasher hasher;
  if (fs::is_directory(status)) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) add_file(file, fs::relative(file, path).string(), hasher);
  } else if (fs::is_regular_file(status)) {
    add_file(path, "", hasher);
  } else {
    fail_input("there is no such file or folder", path.string());
  }
  return hasher.hex();
}

}  // namespace peryton
