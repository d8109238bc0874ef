// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "framework/checkpoint/gguf.h"
#include "framework/core/error.h"
#include "framework/families/registry.h"
#include "launch/cli/commands.h"
#include "launch/inspect/fit.h"
#include "launch/inspect/gguf_facts.h"
#include "launch/inspect/run_facts.h"

namespace peryton {
namespace {

constexpr const char* kUsage =
    "usage: peryton inspect MODEL [MODEL ...]\n\n"
    "Shows what is in model folders (config.json and weights), GGUF files, runs and checkpoints:\n"
    "family, width, blocks, vocabulary, parameters, tokenizer. Of several models it also tells,\n"
    "pair by pair, what fits with what, how to mend what does not, and a configuration that joins\n"
    "them.\n";

}  // namespace

int inspect_command(const std::vector<std::string>& arguments) {
  if (arguments.empty()) fail_input("inspect needs a model folder", "", "peryton inspect --help");
  if (arguments.front() == "--help" || arguments.front() == "-h") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  const FamilyRegistry registry = all_families();
  std::vector<ModelFacts> models;
  std::string text;
  for (const std::string& argument : arguments) {
    if (argument.starts_with("-"))
      fail_input("unknown option '" + argument + "'", "", "peryton inspect --help");
    if (GgufFile::is_gguf(argument)) {
      text += gguf_text(argument) + "\n";
    } else if (is_run_folder(argument)) {
      text += run_text(argument, registry) + "\n";
    } else if (is_checkpoint_folder(argument)) {
      text += checkpoint_text(argument) + "\n";
    } else if (is_hybrid_folder(argument)) {
      text += hybrid_text(argument) + "\n";
    } else {
      models.push_back(model_facts(argument, registry));
      text += to_text(models.back()) + "\n";
    }
  }
  for (std::size_t i = 0; i < models.size(); ++i) {
    for (std::size_t j = i + 1; j < models.size(); ++j)
      text += fit_text(models[i], models[j]) + "\n";
  }
  text.pop_back();  // one blank line too many
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace peryton
