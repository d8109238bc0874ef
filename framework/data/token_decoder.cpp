// SPDX-License-Identifier: Apache-2.0
#include "framework/data/token_decoder.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/data/byte_alphabet.h"
#include "framework/data/metaspace.h"

namespace peryton {

int byte_of_fallback(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return -1;
  int byte = -1;
  const auto parsed = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
  return parsed.ec == std::errc() && parsed.ptr == token.data() + 5 && byte >= 0 ? byte : -1;
}

TokenDecoder::TokenDecoder(const nlohmann::json& field, bool byte_level, const std::string& where)
    : byte_level_(byte_level) {
  if (!field.is_null()) {
    add(field, where);
  } else if (!byte_level) {
    fail_input("decoder: none, which is supported only with a ByteLevel pre-tokenizer", where);
  }
}

void TokenDecoder::add(const nlohmann::json& field, const std::string& where) {
  const std::string type = field.value("type", "");
  if (type == "Sequence") {
    for (const auto& step : field.at("decoders")) add(step, where);
    return;
  }
  if ((type == "ByteLevel") != byte_level_) {
    fail_input(fmt::format("decoder: type '{}' is not supported {} a ByteLevel pre-tokenizer", type,
                           byte_level_ ? "with" : "without"),
               where);
  }
  const bool out_of_order = (fused_ && type != "Strip") || (byte_fallback_ && type == "Replace") ||
                            (type == "Metaspace" && !replacements_.empty());
  if (out_of_order) {
    fail_input(fmt::format("decoder: a '{}' step at its place is not supported", type), where,
               "supported: Metaspace, or Replace, ByteFallback, Fuse, Strip in this order");
  }
  if (type == "Metaspace") {
    const MetaspaceFields fields = read_metaspace(field, "decoder", where);
    replacements_.emplace_back(fields.replacement, " ");
    if (fields.prepend != PrependScheme::kNever) dropped_at_start_ = fields.replacement;
  } else if (type == "Replace") {
    const auto& pattern = field.at("pattern");
    const std::string from = pattern.value("String", "");
    if (from.empty()) fail_input("decoder: a Replace whose pattern is no String", where);
    replacements_.emplace_back(from, field.at("content").get<std::string>());
  } else if (type == "ByteFallback") {
    byte_fallback_ = true;
  } else if (type == "Fuse") {
    fused_ = true;
  } else if (type == "Strip") {
    add_strip(field, where);
  } else if (type != "ByteLevel") {
    fail_input(fmt::format("decoder: type '{}' is not supported", type), where,
               "supported: ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip, Sequence");
  }
}

void TokenDecoder::add_strip(const nlohmann::json& field, const std::string& where) {
  if (!fused_) fail_input("decoder: Strip without Fuse before it is not supported", where);
  if (!strip_.empty()) fail_input("decoder: a second Strip is not supported", where);
  strip_ = field.at("content").get<std::string>();
  if (strip_.empty()) fail_input("decoder: the content of Strip is empty", where);
  strip_start_ = field.value("start", std::size_t{0});
  strip_stop_ = field.value("stop", std::size_t{0});
}

std::string TokenDecoder::bytes_of(const std::string& token) const {
  if (byte_level_) return from_byte_alphabet(token).value_or(token);
  std::string bytes = token;
  for (const auto& [from, to] : replacements_) bytes = replace_all(bytes, from, to);
  const int byte = byte_fallback_ ? byte_of_fallback(bytes) : -1;
  return byte < 0 ? bytes : std::string(1, static_cast<char>(byte));
}

std::string TokenDecoder::first_bytes_of(const std::string& token) const {
  if (dropped_at_start_.empty()) return bytes_of(token);
  return replace_all(token, dropped_at_start_, "");
}

std::string TokenDecoder::stripped(std::string text) const {
  if (strip_.empty()) return text;
  std::size_t begin = 0, end = text.size();
  for (std::size_t i = 0; i < strip_start_; ++i) {
    if (text.compare(begin, strip_.size(), strip_) != 0) break;
    begin += strip_.size();
  }
  for (std::size_t i = 0; i < strip_stop_ && end >= begin + strip_.size(); ++i) {
    if (text.compare(end - strip_.size(), strip_.size(), strip_) != 0) break;
    end -= strip_.size();
  }
  return text.substr(begin, end - begin);
}

}  // namespace peryton
