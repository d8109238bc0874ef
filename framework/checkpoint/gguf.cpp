// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>

#include "framework/checkpoint/gguf_tensors.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr const char* kAlignmentKey = "general.alignment";

}  // namespace

GgufFile GgufFile::open(const std::filesystem::path& path) {
  GgufFile result;
  result.where_ = path.string();
  result.file_ = MappedFile::open(path);
  result.read(result.file_->bytes());
  return result;
}

GgufFile GgufFile::parse(std::span<const std::byte> bytes, const std::string& where) {
  GgufFile result;
  result.where_ = where;
  result.read(bytes);
  return result;
}

bool GgufFile::is_gguf(const std::filesystem::path& path) {
  if (!std::filesystem::is_regular_file(path)) return false;
  std::string magic(kMagic.size(), '\0');
  std::ifstream(path, std::ios::binary).read(magic.data(), static_cast<long>(magic.size()));
  return magic == kMagic;
}

void GgufFile::read(std::span<const std::byte> bytes) {
  GgufCursor cursor(bytes, where_);
  std::uint64_t tensors = 0, entries = 0;
  read_counts(cursor, tensors, entries);
  for (std::uint64_t i = 0; i < entries; ++i) read_entry(cursor);
  const auto infos = read_gguf_infos(cursor, tensors);
  tensors_ = place_gguf_tensors(infos, bytes, cursor.position(), alignment(), where_);
}

void GgufFile::read_counts(GgufCursor& cursor, std::uint64_t& tensors, std::uint64_t& entries) {
  const auto magic = cursor.take(std::min(cursor.left(), kMagic.size()), "the file's head");
  const std::string_view text(reinterpret_cast<const char*>(magic.data()), magic.size());
  if (text != kMagic) {
    fail_input("is not a GGUF file: it does not begin with 'GGUF'", where_,
               "a Git LFS pointer has to be replaced by the file itself (`git lfs pull`)");
  }
  version_ = cursor.u32("the version");
  if (version_ != 0 && (version_ & 0xFFFF) == 0) {
    fail_input("is a big-endian GGUF file, which is not supported", where_,
               "convert it with gguf-py's gguf_convert_endian.py");
  }
  if (version_ != 2 && version_ != 3) {
    fail_input(fmt::format("has GGUF version {}; versions 2 and 3 are supported", version_), where_,
               "convert the model again with a present llama.cpp");
  }
  tensors = cursor.u64("the number of tensors");
  entries = cursor.u64("the number of metadata entries");
  // The least that each of them takes: a key, a type and a byte; a name, a count, a type, an
  // offset.
  if (entries > cursor.left() / 13 || tensors > cursor.left() / 24) {
    cursor.fail(fmt::format("claims {} metadata entries and {} tensors", entries, tensors));
  }
}

void GgufFile::read_entry(GgufCursor& cursor) {
  const std::string key(cursor.string("a key"));
  if (key.empty()) cursor.fail("a metadata entry has no key");
  GgufCursor inside = cursor;
  try {
    const GgufValue value = GgufValue::read(cursor);
    if (!metadata_.emplace(key, value).second) inside.fail("the key stands twice");
  } catch (const Error& error) {
    fail_input(error.message(), place_of(key), error.hint());
  }
}

std::uint64_t GgufFile::alignment() const {
  if (!has(kAlignmentKey)) return kDefaultAlignment;
  const std::int64_t value = integer(kAlignmentKey).value();
  constexpr std::int64_t kLargest = std::int64_t{1} << 30;
  if (value < 1 || value > kLargest || !std::has_single_bit(static_cast<std::uint64_t>(value))) {
    fail_input(fmt::format("is {}, not a power of two", value), place_of(kAlignmentKey));
  }
  return static_cast<std::uint64_t>(value);
}

std::string GgufFile::place_of(const std::string& key) const {
  return fmt::format("{}, key '{}'", where_, key);
}

std::vector<std::int64_t> GgufFile::integers(const std::string& key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? std::vector<std::int64_t>()
                                  : found->second.integers(place_of(key));
}

std::vector<double> GgufFile::numbers(const std::string& key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? std::vector<double>() : found->second.numbers(place_of(key));
}

std::vector<std::string> GgufFile::texts(const std::string& key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? std::vector<std::string>()
                                  : found->second.strings(place_of(key));
}

namespace {

template <class T>
std::optional<T> single(const GgufFile& file, const std::string& key, std::vector<T> values) {
  if (!file.has(key)) return std::nullopt;
  if (file.metadata().at(key).type() == GgufValueType::kArray) {
    fail_input("is an array; a single value is expected", file.place_of(key));
  }
  return std::move(values.front());
}

}  // namespace

std::optional<std::int64_t> GgufFile::integer(const std::string& key) const {
  return single(*this, key, integers(key));
}
std::optional<double> GgufFile::number(const std::string& key) const {
  return single(*this, key, numbers(key));
}
std::optional<std::string> GgufFile::text(const std::string& key) const {
  return single(*this, key, texts(key));
}

const GgufTensor& GgufFile::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail_input(fmt::format("has no tensor '{}'", name), where_);
  return found->second;
}

Tensor GgufFile::load(const std::string& name, DType as) const {
  return load_gguf_tensor(tensor(name), as, fmt::format("{}, tensor '{}'", where_, name));
}

}  // namespace peryton
