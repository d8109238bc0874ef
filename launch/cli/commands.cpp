// SPDX-License-Identifier: Apache-2.0
#include "launch/cli/commands.h"

#include <cstdio>
#include <exception>

#include "framework/core/error.h"
#include "framework/core/memory.h"
#include "kernels/common/isa.h"
#include "launch/cli/run_commands.h"

namespace peryton {

int import_command(const std::vector<std::string>& arguments);
int inspect_command(const std::vector<std::string>& arguments);
int score_command(const std::vector<std::string>& arguments);
int report_command(const std::vector<std::string>& arguments);
int tokenize_command(const std::vector<std::string>& arguments);
int tokenizer_command(const std::vector<std::string>& arguments);

const std::vector<Command>& commands() {
  static const std::vector<Command> table = {
      {"inspect", "shows what is in models, and what fits with what", inspect_command},
      {"import", "turns a GGUF file into a model folder", import_command},
      {"tokenize", "turns text into a token file", tokenize_command},
      {"tokenizer", "learns a vocabulary; encodes and decodes text", tokenizer_command},
      {"run", "run the stages of a pipeline; goes on where it stopped", run_command},
      {"status", "stages, progress and losses of a run", status_command},
      {"report", "write the report of a run again, and print its evaluation", report_command},
      {"evaluate", "evaluate the model of a run again", evaluate_command},
      {"generate", "continue a prompt with the model of a run", generate_command},
      {"export", "write the model of a run as a Hugging Face folder", export_command},
      {"score", "logits and mean loss of a model on given ids", score_command},
      {"worker", "one rank of a stage (started by run)", worker_command},
  };
  return table;
}

namespace {

void print_help() {
  std::puts("usage: peryton COMMAND [ARGUMENTS]\n\ncommands:");
  for (const Command& command : commands()) {
    std::printf("  %-12s %s\n", command.name.c_str(), command.summary.c_str());
  }
  std::puts("\n`peryton COMMAND --help` tells more about one of them.");
}

int dispatch(const std::vector<std::string>& arguments) {
  for (const Command& command : commands()) {
    if (command.name == arguments.front()) {
      return command.run({arguments.begin() + 1, arguments.end()});
    }
  }
  fail_input("unknown command '" + arguments.front() + "'", "",
             "`peryton --help` lists the commands");
}

}  // namespace

int run_command_line(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.front() == "--help" || arguments.front() == "-h") {
    print_help();
    return arguments.empty() ? 2 : 0;
  }
  try {
    keep_freed_memory();
    const std::string remark = kernels::cap_isa_from_environment();
    if (!remark.empty()) std::fprintf(stderr, "peryton: note: %s\n", remark.c_str());
    return dispatch(arguments);
  } catch (const Error& error) {
    std::fprintf(stderr, "peryton: error: %s\n", error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "peryton: internal error: %s\n", error.what());
    return 1;
  }
}

}  // namespace peryton
