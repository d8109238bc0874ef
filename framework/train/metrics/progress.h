// What the person at the console sees while something long is under way: a bar on a terminal, plain
// lines elsewhere. Rank 0 only.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace peryton {

enum class ProgressStyle { kBar, kLines, kOff };

// PERYTON_PROGRESS=bar|lines|off if it is set, else a bar where `stream` is a terminal. The
// launcher sets the variable for its workers: mpirun gives rank 0 a terminal of its own even when
// its output is a file.
ProgressStyle progress_style(std::FILE* stream);

struct ProgressState {
  int64_t step = 0, total_steps = 0;
  double loss = 0;               // NaN: not shown
  double tokens_per_second = 0;  // 0: not shown
};

// "1:02:03", "2:03", "0:04".
std::string clock_text(double seconds);
// "873", "12.3k", "4.56M".
std::string count_text(double value);
// One line without its end, at most `width` characters: stage, bar (if asked), step, loss, speed,
// time left.
std::string progress_line(const std::string& stage, const ProgressState& state, double seconds_left,
                          int width, bool bar);

class Progress {
 public:
  // `first_step` is the number of steps that an earlier run already did: they do not count as
  // speed.
  Progress(std::string stage, int64_t total_steps, int64_t first_step, std::FILE* stream,
           ProgressStyle style);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(int64_t step, double loss, double tokens_per_second);
  // A line of text that stays above the bar.
  void say(const std::string& text);
  // Ends the bar's line; further updates start a new one.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  bool due(Clock::time_point now) const;
  double seconds_left(Clock::time_point now) const;

  std::string stage_;
  int64_t first_step_;
  std::FILE* stream_;
  ProgressStyle style_;
  ProgressState state_;
  Clock::time_point start_, last_;
  bool drawn_ = false, printed_ = false;
};

}  // namespace peryton
