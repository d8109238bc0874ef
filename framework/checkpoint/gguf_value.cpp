// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/gguf_value.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"

namespace peryton {
namespace {

constexpr int kDeepestArray = 8;  // arrays of arrays; far more than anybody writes

struct TypeRow {
  std::string_view name;
  std::uint64_t bytes;  // of one; 0: it varies
};
// In the order of the enumeration.
constexpr std::array<TypeRow, 13> kValueTypes = {{{"uint8", 1},
                                                  {"int8", 1},
                                                  {"uint16", 2},
                                                  {"int16", 2},
                                                  {"uint32", 4},
                                                  {"int32", 4},
                                                  {"float32", 4},
                                                  {"bool", 1},
                                                  {"string", 0},
                                                  {"array", 0},
                                                  {"uint64", 8},
                                                  {"int64", 8},
                                                  {"float64", 8}}};

const TypeRow& row_of(GgufValueType type) { return kValueTypes[static_cast<std::size_t>(type)]; }

GgufValueType read_type(GgufCursor& cursor) {
  const std::uint32_t id = cursor.u32("a value's type");
  if (id >= kValueTypes.size()) cursor.fail(fmt::format("unknown value type {}", id));
  return static_cast<GgufValueType>(id);
}

template <class T>
T number_at(std::span<const std::byte> bytes, std::size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof value);
  return value;
}

// visit(value) for a number of `type` at `index`; false: it is none.
template <class Visit>
bool visit_number(GgufValueType type, std::span<const std::byte> bytes, std::size_t index,
                  const Visit& visit) {
  switch (type) {
    case GgufValueType::kUInt8:
    case GgufValueType::kBool:
      return visit(number_at<std::uint8_t>(bytes, index)), true;
    case GgufValueType::kInt8:
      return visit(number_at<std::int8_t>(bytes, index)), true;
    case GgufValueType::kUInt16:
      return visit(number_at<std::uint16_t>(bytes, index)), true;
    case GgufValueType::kInt16:
      return visit(number_at<std::int16_t>(bytes, index)), true;
    case GgufValueType::kUInt32:
      return visit(number_at<std::uint32_t>(bytes, index)), true;
    case GgufValueType::kInt32:
      return visit(number_at<std::int32_t>(bytes, index)), true;
    case GgufValueType::kUInt64:
      return visit(number_at<std::uint64_t>(bytes, index)), true;
    case GgufValueType::kInt64:
      return visit(number_at<std::int64_t>(bytes, index)), true;
    case GgufValueType::kFloat32:
      return visit(number_at<float>(bytes, index)), true;
    case GgufValueType::kFloat64:
      return visit(number_at<double>(bytes, index)), true;
    default:
      return false;
  }
}

void check_utf8(const std::string& text, const std::string& place) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (std::ranges::all_of(text, is_ascii)) return;
  try {
    (void)nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {
    fail_input("holds a text that is not UTF-8", place);
  }
}

}  // namespace

std::string_view name_of(GgufValueType type) { return row_of(type).name; }

void GgufCursor::fail(const std::string& message) const {
  fail_input(fmt::format("{} (near byte {})", message, position_), where_,
             "the file is damaged or incomplete: copy or download it again");
}

std::span<const std::byte> GgufCursor::take(std::uint64_t count, const char* what) {
  if (count > left()) {
    fail(fmt::format("{} needs {} bytes, the file has {} more", what, count, left()));
  }
  const auto taken = bytes_.subspan(position_, count);
  position_ += count;
  return taken;
}

template <class T>
T GgufCursor::number(const char* what) {
  return number_at<T>(take(sizeof(T), what), 0);
}
template std::uint32_t GgufCursor::number<std::uint32_t>(const char*);
template std::uint64_t GgufCursor::number<std::uint64_t>(const char*);

std::string_view GgufCursor::string(const char* what) {
  const auto bytes = take(u64(what), what);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Moves behind `count_` elements of `element_`, which must all be there.
void GgufValue::check_elements(GgufCursor& cursor, int depth) {
  const std::uint64_t each = row_of(element_).bytes;
  if (each > 0) {
    if (count_ > cursor.left() / each) {
      cursor.fail(
          fmt::format("an array of {} {} does not fit into the file", count_, name_of(element_)));
    }
    cursor.take(count_ * each, "a value");
    return;
  }
  for (std::uint64_t i = 0; i < count_; ++i) {
    if (element_ == GgufValueType::kString) {
      cursor.string("a string");
      continue;
    }
    if (depth >= kDeepestArray) cursor.fail("arrays are nested too deeply");
    GgufValue inner;
    inner.element_ = read_type(cursor);
    inner.count_ = cursor.u64("an array's size");
    inner.check_elements(cursor, depth + 1);
  }
}

GgufValue GgufValue::read(GgufCursor& cursor) {
  GgufValue value;
  value.type_ = value.element_ = read_type(cursor);
  if (value.type_ == GgufValueType::kArray) {
    value.element_ = read_type(cursor);
    value.count_ = cursor.u64("an array's size");
  }
  GgufCursor begin = cursor;
  value.check_elements(cursor, 0);
  value.bytes_ = begin.take(cursor.position() - begin.position(), "a value");
  const auto is_bool = [](std::byte byte) { return byte <= std::byte{1}; };
  if (value.element_ == GgufValueType::kBool && !std::ranges::all_of(value.bytes_, is_bool)) {
    cursor.fail("a bool is neither 0 nor 1");
  }
  return value;
}

std::vector<std::int64_t> GgufValue::integers(const std::string& place) const {
  std::vector<std::int64_t> values;
  const auto refuse = [&] { fail_input("is not an integer, or too large for one", place); };
  for (std::size_t i = 0; i < count_; ++i) {
    const bool found = visit_number(element_, bytes_, i, [&](auto value) {
      if constexpr (std::is_floating_point_v<decltype(value)>) {
        refuse();
      } else {
        if (!std::in_range<std::int64_t>(value)) refuse();
        values.push_back(static_cast<std::int64_t>(value));
      }
    });
    if (!found) refuse();
  }
  return values;
}

std::vector<double> GgufValue::numbers(const std::string& place) const {
  std::vector<double> values;
  for (std::size_t i = 0; i < count_; ++i) {
    const bool found = visit_number(
        element_, bytes_, i, [&](auto value) { values.push_back(static_cast<double>(value)); });
    if (!found) fail_input(fmt::format("is {}, not a number", name_of(element_)), place);
  }
  return values;
}

std::vector<std::string> GgufValue::strings(const std::string& place) const {
  if (element_ != GgufValueType::kString) {
    fail_input(fmt::format("is {}, not a text", name_of(element_)), place);
  }
  std::vector<std::string> values;
  GgufCursor cursor(bytes_, place);
  for (std::uint64_t i = 0; i < count_; ++i) {
    values.emplace_back(cursor.string("a string"));
    check_utf8(values.back(), place);
  }
  return values;
}

std::string GgufValue::text(std::size_t most) const {
  std::string list;
  const bool nested = element_ == GgufValueType::kArray;
  const std::size_t shown = nested ? 0 : std::min<std::size_t>(count_, most);
  GgufCursor cursor(bytes_, "");
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) list += ", ";
    if (element_ == GgufValueType::kString) {
      list += nlohmann::json(cursor.string("a string"))
                  .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    } else if (element_ == GgufValueType::kBool) {
      list += bytes_[i] == std::byte{0} ? "false" : "true";
    } else {
      visit_number(element_, bytes_, i, [&](auto value) { list += fmt::format("{}", +value); });
    }
  }
  if (type_ != GgufValueType::kArray) return list;
  if (shown < count_) list += shown == 0 ? "..." : ", ...";
  return fmt::format("[{}] ({} of {})", list, count_, name_of(element_));
}

}  // namespace peryton
