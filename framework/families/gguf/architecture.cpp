// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gguf/architecture.h"

#include <array>

#include "framework/core/error.h"

namespace peryton::gguf {

const Architecture& architecture_of(const GgufFile& file) {
  static const std::array kAll = {&kLlama, &kGpt2, &kGptNeox, &kMamba, &kMamba2};
  const std::string name = file.text("general.architecture").value_or("");
  if (name.empty()) fail_input("does not say its architecture", file.where());
  std::string known;
  for (const Architecture* architecture : kAll) {
    if (name == architecture->name) return *architecture;
    known += std::string(known.empty() ? "" : ", ") + architecture->name;
  }
  fail_input(fmt::format("has the architecture '{}', which is not known here", name), file.where(),
             "known: " + known);
}

}  // namespace peryton::gguf
