// Metadata of a GGUF file: typed values, each a view into the file that was checked when the file
// was opened.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace peryton {

enum class GgufValueType : std::uint32_t {
  kUInt8,
  kInt8,
  kUInt16,
  kInt16,
  kUInt32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUInt64,
  kInt64,
  kFloat64
};

std::string_view name_of(GgufValueType type);  // "uint32", "array", ...

// Reads little-endian values one after the other and never past the end: that is the user's error,
// as all damage is, at `where` with the offset.
class GgufCursor {
 public:
  GgufCursor(std::span<const std::byte> bytes, std::string where)
      : bytes_(bytes), where_(std::move(where)) {}

  std::uint32_t u32(const char* what) { return number<std::uint32_t>(what); }
  std::uint64_t u64(const char* what) { return number<std::uint64_t>(what); }
  std::string_view string(const char* what);  // 8 bytes of length, then the bytes
  std::span<const std::byte> take(std::uint64_t count, const char* what);

  std::size_t position() const { return position_; }
  std::size_t left() const { return bytes_.size() - position_; }
  const std::string& where() const { return where_; }
  [[noreturn]] void fail(const std::string& message) const;

 private:
  template <class T>
  T number(const char* what);

  std::span<const std::byte> bytes_;
  std::string where_;
  std::size_t position_ = 0;
};

class GgufValue {
 public:
  // Reads and checks a type and a value of it.
  static GgufValue read(GgufCursor& cursor);

  GgufValueType type() const { return type_; }
  GgufValueType element_type() const { return element_; }  // of an array
  std::uint64_t size() const { return count_; }            // of an array; else 1

  // The value or all elements of the array; `place` names it in the error for another type. Signed
  // and unsigned integers and bools are integers; these and floats are numbers. Strings must be
  // UTF-8. An integer above 2^63 - 1 is refused.
  std::vector<std::int64_t> integers(const std::string& place) const;
  std::vector<double> numbers(const std::string& place) const;
  std::vector<std::string> strings(const std::string& place) const;
  // The first few elements for people: "[1, 2, 3, ...] (49152 of int32)".
  std::string text(std::size_t most = 6) const;

 private:
  void check_elements(GgufCursor& cursor, int depth);

  GgufValueType type_ = GgufValueType::kUInt8, element_ = GgufValueType::kUInt8;
  std::uint64_t count_ = 1;
  std::span<const std::byte> bytes_;  // of the value or the elements
};

}  // namespace peryton
