// SPDX-License-Identifier: Apache-2.0
#include "framework/train/metrics/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "framework/core/error.h"

namespace peryton {

namespace {

constexpr double kBarSeconds = 0.1;
constexpr double kLineSeconds = 5;
constexpr int kBarWidth = 24;

int terminal_width(std::FILE* stream) {
  winsize size{};
  if (::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 100;
}

std::string bar_text(double fraction) {
  const int full = static_cast<int>(std::lround(std::clamp(fraction, 0.0, 1.0) * kBarWidth));
  return "[" + std::string(full, '#') + std::string(kBarWidth - full, '.') + "] ";
}

}  // namespace

ProgressStyle progress_style(std::FILE* stream) {
  const char* wish = std::getenv("PERYTON_PROGRESS");
  if (wish == nullptr || *wish == '\0') {
    return ::isatty(::fileno(stream)) ? ProgressStyle::kBar : ProgressStyle::kLines;
  }
  const std::string_view text = wish;
  if (text == "bar") return ProgressStyle::kBar;
  if (text == "lines") return ProgressStyle::kLines;
  if (text == "off") return ProgressStyle::kOff;
  fail_input(fmt::format("PERYTON_PROGRESS is '{}'", text), "environment", "use bar, lines or off");
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::max(0.0, seconds)));
  const int64_t hours = whole / 3600, minutes = whole / 60 % 60, rest = whole % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, rest);
  return fmt::format("{}:{:02}", minutes, rest);
}

std::string count_text(double value) {
  const double size = std::abs(value);
  if (size >= 1e9) return fmt::format("{:.2f}G", value / 1e9);
  if (size >= 1e6) return fmt::format("{:.2f}M", value / 1e6);
  if (size >= 1e3) return fmt::format("{:.1f}k", value / 1e3);
  return fmt::format("{:.0f}", value);
}

std::string progress_line(const std::string& stage, const ProgressState& state, double seconds_left,
                          int width, bool bar) {
  const double total = static_cast<double>(std::max<int64_t>(1, state.total_steps));
  const double fraction = static_cast<double>(state.step) / total;
  std::string line = stage + " ";
  if (bar) line += bar_text(fraction);
  line += fmt::format("{:.0f}% step {}/{}", 100 * fraction, state.step, state.total_steps);
  if (!std::isnan(state.loss)) line += fmt::format("  loss {:.4f}", state.loss);
  if (state.tokens_per_second > 0) line += "  " + count_text(state.tokens_per_second) + " tokens/s";
  if (state.step < state.total_steps) line += "  " + clock_text(seconds_left) + " left";
  return line.substr(0, static_cast<size_t>(std::max(1, width)));
}

Progress::Progress(std::string stage, int64_t total_steps, int64_t first_step, std::FILE* stream,
                   ProgressStyle style)
    : stage_(std::move(stage)),
      first_step_(first_step),
      stream_(stream),
      style_(style),
      start_(Clock::now()),
      last_(start_) {
  state_.step = first_step;
  state_.total_steps = total_steps;
}

Progress::~Progress() { finish(); }

bool Progress::due(Clock::time_point now) const {
  if (!printed_ || state_.step >= state_.total_steps) return true;
  const double pause = style_ == ProgressStyle::kBar ? kBarSeconds : kLineSeconds;
  return std::chrono::duration<double>(now - last_).count() >= pause;
}

double Progress::seconds_left(Clock::time_point now) const {
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double done = static_cast<double>(state_.step - first_step_);
  return done > 0 ? seconds / done * static_cast<double>(state_.total_steps - state_.step) : 0;
}

void Progress::update(int64_t step, double loss, double tokens_per_second) {
  state_ = {step, state_.total_steps, loss, tokens_per_second};
  if (style_ == ProgressStyle::kOff) return;
  const auto now = Clock::now();
  if (!due(now)) return;
  last_ = now;
  printed_ = true;
  const bool bar = style_ == ProgressStyle::kBar;
  const int width = bar ? terminal_width(stream_) - 1 : 200;
  const std::string line = progress_line(stage_, state_, seconds_left(now), width, bar);
  // \x1b[K clears what a longer line before has left.
  std::fputs(bar ? ("\r" + line + "\x1b[K").c_str() : (line + "\n").c_str(), stream_);
  std::fflush(stream_);
  drawn_ = bar;
}

void Progress::say(const std::string& text) {
  if (style_ == ProgressStyle::kOff) return;
  std::fputs((std::string(drawn_ ? "\r\x1b[K" : "") + text + "\n").c_str(), stream_);
  std::fflush(stream_);
  drawn_ = false;
}

void Progress::finish() {
  if (drawn_) std::fputs("\n", stream_);
  std::fflush(stream_);
  drawn_ = false;
}

}  // namespace peryton
