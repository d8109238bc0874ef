// The one exception type of the framework: what went wrong, where in the user's input, what to do.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace peryton {

enum class ErrorKind {
  kUserInput,  // the person can mend it: exit code 2
  kSystem,     // disk, network, a dead rank: exit code 1
  kInternal,   // our own invariant is broken: exit code 1
};

// `where` is a place in the user's input ("my.yaml:12:3", "model.safetensors, tensor x") or empty;
// `hint` says what to do, or is empty. what() holds all three on up to three lines.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string message, std::string where = "", std::string hint = "");

  ErrorKind kind() const { return kind_; }
  const std::string& message() const { return message_; }
  const std::string& where() const { return where_; }
  const std::string& hint() const { return hint_; }
  int exit_code() const { return kind_ == ErrorKind::kUserInput ? 2 : 1; }

 private:
  ErrorKind kind_;
  std::string message_, where_, hint_;
};

// The user's input is wrong.
[[noreturn]] void fail_input(std::string message, std::string where = "", std::string hint = "");
// The machine failed us; appends the text of errno when `with_errno`. A disk that is full is the
// person's to mend and comes as kUserInput.
[[noreturn]] void fail_system(std::string message, std::string where = "", bool with_errno = false);
[[noreturn]] void fail_check(const char* expression, const char* file, int line,
                             const std::string& message);

}  // namespace peryton

// Our own invariants. The message is a fmt format string with its arguments, and may be left out.
#define PERYTON_CHECK(condition, ...)                                                       \
  do {                                                                                      \
    if (!(condition)) [[unlikely]] {                                                        \
      ::peryton::fail_check(#condition, __FILE__, __LINE__, ::fmt::format("" __VA_ARGS__)); \
    }                                                                                       \
  } while (false)
