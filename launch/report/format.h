// Numbers and texts as people read them, for the table on the console and the page.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "launch/report/summary.h"

namespace peryton {

std::string fixed_text(double value, int digits);  // "n/a" for NaN
std::string amount_text(double value);             // "950", "12.3k", "4.56M", "7.89G", "1.23e15"
std::string bytes_text(double bytes);              // "512 B", "1.5 GiB"
std::string duration_text(double seconds);         // "12 s", "3 min 05 s", "2 h 10 min"
// "1.720 (1.700 to 1.740)", without the parentheses when there is no interval.
std::string estimate_text(const Estimate& estimate, int digits = 3);

// For text between tags and for attribute values in double quotes. Invalid UTF-8 becomes U+FFFD and
// control characters other than tab and newline are dropped.
std::string html_escape(std::string_view text);

}  // namespace peryton
