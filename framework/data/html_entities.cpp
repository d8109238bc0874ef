// SPDX-License-Identifier: Apache-2.0
#include "framework/data/html_entities.h"

#include <array>
#include <charconv>
#include <map>

#include "framework/data/utf8.h"

namespace peryton {
namespace {

// Names of U+00A0 to U+00FF, in order (HTML 4.01, section 24.2).
constexpr std::array kLatin1 = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",
    "copy",   "ordf",   "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn",
    "sup2",   "sup3",   "acute",  "micro",  "para",   "middot", "cedil",  "sup1",   "ordm",
    "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",  "Atilde",
    "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave",
    "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde",
    "Ouml",   "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",
    "szlig",  "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil",
    "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",   "eth",
    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide", "oslash", "ugrave",
    "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml"};
static_assert(kLatin1.size() == 0x100 - 0xA0);

std::map<std::string, char32_t, std::less<>> make_names() {
  std::map<std::string, char32_t, std::less<>> names = {
      {"amp", '&'},       {"lt", '<'},        {"gt", '>'},        {"quot", '"'},
      {"apos", '\''},     {"OElig", 0x152},   {"oelig", 0x153},   {"Scaron", 0x160},
      {"scaron", 0x161},  {"Yuml", 0x178},    {"ensp", 0x2002},   {"emsp", 0x2003},
      {"thinsp", 0x2009}, {"ndash", 0x2013},  {"mdash", 0x2014},  {"lsquo", 0x2018},
      {"rsquo", 0x2019},  {"sbquo", 0x201A},  {"ldquo", 0x201C},  {"rdquo", 0x201D},
      {"bdquo", 0x201E},  {"dagger", 0x2020}, {"Dagger", 0x2021}, {"bull", 0x2022},
      {"hellip", 0x2026}, {"permil", 0x2030}, {"prime", 0x2032},  {"Prime", 0x2033},
      {"lsaquo", 0x2039}, {"rsaquo", 0x203A}, {"euro", 0x20AC},   {"trade", 0x2122},
      {"larr", 0x2190},   {"uarr", 0x2191},   {"rarr", 0x2192},   {"darr", 0x2193},
      {"minus", 0x2212}};
  for (std::size_t i = 0; i < kLatin1.size(); ++i) {
    names.emplace(kLatin1[i], static_cast<char32_t>(0xA0 + i));
  }
  return names;
}

// 0 where `body` ("#8217", "amp") is not known.
char32_t code_of(std::string_view body) {
  static const auto names = make_names();
  if (!body.starts_with('#')) {
    const auto found = names.find(body);
    return found == names.end() ? 0 : found->second;
  }
  body.remove_prefix(1);
  const bool hex = body.starts_with('x') || body.starts_with('X');
  if (hex) body.remove_prefix(1);
  std::uint32_t code = 0;
  const auto [end, error] =
      std::from_chars(body.data(), body.data() + body.size(), code, hex ? 16 : 10);
  const bool valid = error == std::errc() && end == body.data() + body.size() && code <= 0x10FFFF &&
                     (code < 0xD800 || code > 0xDFFF);
  return valid ? code : 0;
}

}  // namespace

std::size_t decode_entity(std::string_view text, std::string& out) {
  constexpr std::size_t kLongest = 12;
  const std::size_t end = text.substr(0, kLongest).find(';');
  if (!text.starts_with('&') || end == std::string_view::npos) return 0;
  const char32_t code = code_of(text.substr(1, end - 1));
  if (code == 0) return 0;
  append_utf8(out, code == 0xA0 ? U' ' : code);
  return end + 1;
}

}  // namespace peryton
