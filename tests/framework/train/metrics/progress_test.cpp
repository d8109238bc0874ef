// SPDX-License-Identifier: Apache-2.0
#include "framework/train/metrics/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "framework/core/error.h"

namespace peryton {
namespace {

// A file in memory to which a Progress prints.
class Console {
 public:
  Console() : stream_(open_memstream(&bytes_, &size_)) {}
  ~Console() {
    std::fclose(stream_);
    std::free(bytes_);
  }
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;
  std::FILE* stream() { return stream_; }
  std::string text() {
    std::fflush(stream_);
    return std::string(bytes_, size_);
  }

 private:
  char* bytes_ = nullptr;
  size_t size_ = 0;
  std::FILE* stream_;
};

TEST(Progress, ClockAndCounts) {
  EXPECT_EQ(clock_text(3.6), "0:04");
  EXPECT_EQ(clock_text(123), "2:03");
  EXPECT_EQ(clock_text(3723), "1:02:03");
  EXPECT_EQ(count_text(873), "873");
  EXPECT_EQ(count_text(12345), "12.3k");
  EXPECT_EQ(count_text(4.56e6), "4.56M");
}

TEST(Progress, LineShowsStageStepLossSpeedAndTimeLeft) {
  const ProgressState state{25, 100, 2.5, 12345};
  EXPECT_EQ(progress_line("search", state, 90, 200, false),
            "search 25% step 25/100  loss 2.5000  12.3k tokens/s  1:30 left");
  EXPECT_EQ(progress_line("search", state, 90, 40, true),
            std::string("search [######..................] 25% step 25/100").substr(0, 40));
}

TEST(Progress, LineLeavesOutWhatIsNotKnown) {
  const ProgressState state{100, 100, std::nan(""), 0};
  EXPECT_EQ(progress_line("fit", state, 0, 200, false), "fit 100% step 100/100");
}

TEST(Progress, PlainLinesShowFirstAndLastStepWithoutControlCharacters) {
  Console console;
  {
    Progress progress("search", 1000, 0, console.stream(), ProgressStyle::kLines);
    for (int step = 1; step <= 1000; ++step) progress.update(step, 1.0, 10);
    progress.say("saved");
  }
  const std::string text = console.text();
  EXPECT_NE(text.find("step 1/1000"), std::string::npos);
  EXPECT_NE(text.find("step 1000/1000"), std::string::npos);
  EXPECT_TRUE(text.ends_with("saved\n"));
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Progress, BarRedrawsInPlaceAndEndsItsLine) {
  Console console;
  {
    Progress progress("search", 2, 0, console.stream(), ProgressStyle::kBar);
    progress.update(1, 1.0, 10);
    progress.update(2, 1.0, 10);
  }
  const std::string text = console.text();
  EXPECT_TRUE(text.starts_with("\rsearch ["));
  EXPECT_TRUE(text.ends_with("\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(Progress, OffIsSilent) {
  Console console;
  {
    Progress progress("search", 2, 0, console.stream(), ProgressStyle::kOff);
    progress.update(2, 1.0, 10);
    progress.say("text");
  }
  EXPECT_EQ(console.text(), "");
}

TEST(Progress, EnvironmentDecidesTheStyle) {
  Console console;
  ::setenv("PERYTON_PROGRESS", "bar", 1);
  EXPECT_EQ(progress_style(console.stream()), ProgressStyle::kBar);
  ::setenv("PERYTON_PROGRESS", "loud", 1);
  EXPECT_THROW(progress_style(console.stream()), Error);
  ::unsetenv("PERYTON_PROGRESS");
}

}  // namespace
}  // namespace peryton
