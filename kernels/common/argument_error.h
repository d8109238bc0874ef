// The one exception that kernels throw: their arguments contradict each other. It is a bug of the
// caller, never of the user, so it carries only text.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace peryton {

class ArgumentError : public std::logic_error {
 public:
  template <class... Parts>
  explicit ArgumentError(std::string_view kernel, const Parts&... parts)
      : std::logic_error(compose(kernel, parts...)) {}

 private:
  template <class... Parts>
  static std::string compose(std::string_view kernel, const Parts&... parts) {
    std::ostringstream text;
    text << '[' << kernel << "] ";
    (text << ... << parts);
    return text.str();
  }
};

// Throws ArgumentError when `condition` is false.
template <class... Parts>
void require(bool condition, std::string_view kernel, const Parts&... parts) {
  if (!condition) throw ArgumentError(kernel, parts...);
}

}  // namespace peryton
