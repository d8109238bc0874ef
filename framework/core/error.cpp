// SPDX-License-Identifier: Apache-2.0
#include "framework/core/error.h"

#include <cerrno>
#include <cstring>

namespace peryton {
namespace {

std::string compose(const std::string& message, const std::string& where, const std::string& hint) {
  std::string text = where.empty() ? message : where + ": " + message;
  if (!hint.empty()) text += "\n  hint: " + hint;
  return text;
}

}  // namespace

Error::Error(ErrorKind kind, std::string message, std::string where, std::string hint)
    : std::runtime_error(compose(message, where, hint)),
      kind_(kind),
      message_(std::move(message)),
      where_(std::move(where)),
      hint_(std::move(hint)) {}

void fail_input(std::string message, std::string where, std::string hint) {
  throw Error(ErrorKind::kUserInput, std::move(message), std::move(where), std::move(hint));
}

void fail_system(std::string message, std::string where, bool with_errno) {
  const int code = with_errno ? errno : 0;
  if (with_errno) message += std::string(": ") + std::strerror(code);
  if (code == ENOSPC || code == EDQUOT || code == EFBIG) {
    fail_input(std::move(message), std::move(where), "make room and run the same command again");
  }
  throw Error(ErrorKind::kSystem, std::move(message), std::move(where));
}

void fail_check(const char* expression, const char* file, int line, const std::string& message) {
  throw Error(ErrorKind::kInternal, fmt::format("{}:{}: check failed: {}{}{}", file, line,
                                                expression, message.empty() ? "" : ": ", message));
}

}  // namespace peryton
