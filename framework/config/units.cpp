// SPDX-License-Identifier: Apache-2.0
#include "framework/config/units.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

namespace peryton {
namespace {

// Reads a decimal number at the front of `text` and removes it.
std::optional<double> take_number(std::string_view& text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<std::int64_t> whole(double value) {
  const double rounded = std::round(value);
  // 2.3M is 2299999.9999999998 in binary: allow the rounding of one product, no more.
  if (std::fabs(value - rounded) > 1e-9 * std::max(1.0, std::fabs(value))) return std::nullopt;
  if (std::fabs(rounded) > 9e18) return std::nullopt;
  return static_cast<std::int64_t>(rounded);
}

std::string without_underscores(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool between_digits =
        i > 0 && i + 1 < text.size() && std::isdigit(text[i - 1]) && std::isdigit(text[i + 1]);
    if (text[i] == '_' && between_digits) continue;
    result += text[i];
  }
  return result;
}

std::optional<double> power_of_1000(std::string_view suffix) {
  if (suffix.empty()) return 1.0;
  if (suffix.size() != 1) return std::nullopt;
  switch (suffix.front()) {
    case 'k':
    case 'K':
      return 1e3;
    case 'M':
      return 1e6;
    case 'G':
    case 'B':
      return 1e9;
    case 'T':
      return 1e12;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<double> parse_number(const std::string& text) {
  std::string_view rest = text;
  const auto value = take_number(rest);
  if (!value) return std::nullopt;
  if (rest == "%") return *value / 100.0;
  if (!rest.empty()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> parse_count(const std::string& text) {
  const std::string plain = without_underscores(text);
  std::int64_t exact = 0;  // beyond 2^53 a double would round
  const char* end = plain.data() + plain.size();
  if (const auto [stop, error] = std::from_chars(plain.data(), end, exact);
      error == std::errc() && stop == end) {
    return exact;
  }
  std::string_view rest = plain;
  const auto value = take_number(rest);
  if (!value) return std::nullopt;
  const auto factor = power_of_1000(rest);
  if (!factor) return std::nullopt;
  return whole(*value * *factor);
}

std::optional<double> parse_duration(const std::string& text) {
  constexpr std::string_view kUnits = "dhms";
  constexpr double kSeconds[] = {86400.0, 3600.0, 60.0, 1.0};
  std::string_view rest = text;
  std::size_t next_unit = 0;
  double total = 0;
  if (rest.empty()) return std::nullopt;
  while (!rest.empty()) {
    const auto value = take_number(rest);
    if (!value || *value < 0 || rest.empty()) return std::nullopt;
    const std::size_t unit = kUnits.find(rest.front());
    if (unit == std::string_view::npos || unit < next_unit) return std::nullopt;
    total += *value * kSeconds[unit];
    next_unit = unit + 1;
    rest.remove_prefix(1);
  }
  return total;
}

std::optional<std::int64_t> parse_size(const std::string& text) {
  const std::string plain = without_underscores(text);
  std::string_view rest = plain;
  const auto value = take_number(rest);
  if (!value || *value < 0) return std::nullopt;
  double base = 1000.0;
  if (rest.size() >= 2 && rest.substr(rest.size() - 2) == "iB") {
    base = 1024.0;
    rest.remove_suffix(2);
    if (rest.empty()) return std::nullopt;
  } else if (!rest.empty() && rest.back() == 'B') {
    rest.remove_suffix(1);
  }
  const auto thousands = power_of_1000(rest);
  if (!thousands) return std::nullopt;
  const double exponent = std::round(std::log10(*thousands) / 3.0);
  return whole(std::floor(*value * std::pow(base, exponent)));
}

std::optional<Interval> parse_interval(const std::string& text) {
  if (!text.empty() && text.back() == '%') {
    const auto share = parse_number(text);
    if (!share || *share < 0.0 || *share > 1.0) return std::nullopt;
    return Interval{0, *share};
  }
  const auto steps = parse_count(text);
  if (!steps || *steps < 0) return std::nullopt;
  return Interval{*steps, 0.0};
}

}  // namespace peryton
