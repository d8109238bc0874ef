// SPDX-License-Identifier: Apache-2.0
#include "framework/config/units.h"

#include <gtest/gtest.h>

#include <vector>

#include "framework/config/names.h"

namespace peryton {
namespace {

TEST(Units, Counts) {
  EXPECT_EQ(parse_count("12"), 12);
  EXPECT_EQ(parse_count("5M"), 5'000'000);
  EXPECT_EQ(parse_count("2.3M"), 2'300'000);
  EXPECT_EQ(parse_count("100k"), 100'000);
  EXPECT_EQ(parse_count("1e6"), 1'000'000);
  EXPECT_EQ(parse_count("3B"), 3'000'000'000);
  EXPECT_EQ(parse_count("1_000_000"), 1'000'000);
  EXPECT_EQ(parse_count("010"), 10);                             // not octal
  EXPECT_EQ(parse_count("9007199254740993"), 9007199254740993);  // 2^53 + 1
  for (const char* bad :
       {"", "k", "1.5", "5MM", "5 M", "0x10", "inf", "nan", "1__0", "_1", "1e30"}) {
    EXPECT_FALSE(parse_count(bad)) << bad;
  }
}

TEST(Units, Numbers) {
  EXPECT_EQ(parse_number("1e-3"), 1e-3);
  EXPECT_EQ(parse_number("2%"), 0.02);
  EXPECT_EQ(parse_number("-.5"), -0.5);
  for (const char* bad : {"", "%", "1e", "1,5", "inf", "nan", "1e999", "3 %", "1.0f"}) {
    EXPECT_FALSE(parse_number(bad)) << bad;
  }
}

TEST(Units, Durations) {
  EXPECT_EQ(parse_duration("2h30m"), 9000.0);
  EXPECT_EQ(parse_duration("90s"), 90.0);
  EXPECT_EQ(parse_duration("1.5h"), 5400.0);
  EXPECT_EQ(parse_duration("1d"), 86400.0);
  for (const char* bad : {"", "90", "30m2h", "2h2h", "-1s", "h"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Units, Sizes) {
  EXPECT_EQ(parse_size("4096"), 4096);
  EXPECT_EQ(parse_size("64GiB"), std::int64_t{64} << 30);
  EXPECT_EQ(parse_size("512MB"), 512'000'000);
  EXPECT_EQ(parse_size("10k"), 10'000);
  EXPECT_EQ(parse_size("1.5KiB"), 1536);
  for (const char* bad : {"", "GiB", "1iB", "1QB", "-1k"}) EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(Units, Intervals) {
  EXPECT_EQ(parse_interval("50"), (Interval{50, 0}));
  EXPECT_EQ(parse_interval("2%"), (Interval{0, 0.02}));
  EXPECT_TRUE(parse_interval("0")->never());
  EXPECT_FALSE(parse_interval("120%"));
  EXPECT_FALSE(parse_interval("0.5"));
  EXPECT_EQ((Interval{0, 0.02}).in_steps(1000), 20);
  EXPECT_EQ((Interval{0, 0.02}).in_steps(3), 1);
  EXPECT_EQ((Interval{7, 0}).in_steps(3), 7);
  EXPECT_EQ((Interval{}).in_steps(3), 0);
}

TEST(Names, Distance) {
  EXPECT_EQ(edit_distance("sequence", "sequence"), 0);
  EXPECT_EQ(edit_distance("sequnce", "sequence"), 1);   // insertion
  EXPECT_EQ(edit_distance("sequecne", "sequence"), 1);  // swap of neighbours
  EXPECT_EQ(edit_distance("LR", "lr"), 0);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("ca", "abc"), 3);  // optimal string alignment, not full Damerau
}

TEST(Names, Nearest) {
  const std::vector<std::string> names = {"sequence", "global_batch", "lr"};
  EXPECT_EQ(nearest_name("sequnse", names), "sequence");
  EXPECT_EQ(nearest_name("batch_global", names), "");
  EXPECT_EQ(nearest_name("l", names), "lr");
  EXPECT_NE(suggest("zzz", names).find("global_batch"), std::string::npos);
}

}  // namespace
}  // namespace peryton
