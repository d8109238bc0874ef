// Numbers as people write them. Every function reads the whole text or returns nothing.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "framework/config/amount.h"

namespace peryton {

// "3e-4", "0.5", "2%" (0.02). Never infinite or NaN.
std::optional<double> parse_number(const std::string& text);
// A whole number: "12", "1e6", "100k", "2.5M", "3G" or "3B", "1T", "1_000". Powers of 1000.
std::optional<std::int64_t> parse_count(const std::string& text);
// Seconds: "90s", "2h30m", "1.5h", "1d"; units d, h, m, s in this order, each at most once.
std::optional<double> parse_duration(const std::string& text);
// Bytes: "4096", "64GiB", "512MB", "10k"; KiB, MiB, ... are powers of 1024, kB, MB, ... of 1000.
std::optional<std::int64_t> parse_size(const std::string& text);
// A count of steps ("50") or a share of the whole ("2%"; at most 100 %).
std::optional<Interval> parse_interval(const std::string& text);

}  // namespace peryton
