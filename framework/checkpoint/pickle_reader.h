// The bytes of a pickle, read in order and within bounds. Inner part of pickle_machine.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "framework/core/error.h"

namespace peryton::pickle {

// Hostile text goes into messages: keep it short and on one printable line.
inline std::string printable(std::string_view text) {
  std::string safe;
  for (const char c : text.substr(0, 200)) safe += c >= 0x20 && c < 0x7f ? c : '?';
  return safe;
}

class PickleReader {
 public:
  PickleReader(std::span<const std::byte> pickle, const std::string& where)
      : pickle_(pickle), where_(where) {}

  std::span<const std::byte> take(std::uint64_t count) {
    if (count > pickle_.size() - at_) malformed("it ends too early");
    const auto bytes = pickle_.subspan(at_, count);
    at_ += count;
    return bytes;
  }
  template <class T>
  T number() {  // little-endian
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string text(std::uint64_t count) {
    const auto bytes = take(count);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string line() {  // without its newline
    std::string text;
    for (char c = number<char>(); c != '\n'; c = number<char>()) text += c;
    return text;
  }

  [[noreturn]] void malformed(const std::string& what) const {
    fail_input(fmt::format("damaged pickle at byte {}: {}", at_, what), where_,
               "the file is damaged or incomplete: copy or download it again");
  }
  [[noreturn]] void forbidden(const std::string& what) const {
    fail_input(what + "; a table of weights needs no such thing, so nothing was called", where_,
               "do not trust this file; use a model.safetensors of the same model");
  }

 private:
  std::span<const std::byte> pickle_;
  std::string where_;
  std::uint64_t at_ = 0;
};

}  // namespace peryton::pickle
