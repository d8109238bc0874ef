// peryton run: all stages of a pipeline.
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <filesystem>

#include "framework/core/error.h"
#include "launch/cli/arguments.h"
#include "launch/cli/run_commands.h"
#include "launch/pipeline/dry_run.h"
#include "launch/pipeline/pipeline.h"
#include "launch/report/report.h"

namespace peryton {
namespace {

std::string yaml_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + "'";
}

void print_line(const std::string& line) {
  std::fprintf(stderr, "%s\n", line.c_str());
  std::fflush(stderr);
}

std::vector<std::string> overrides_of(const options::variables_map& values) {
  std::vector<std::string> overrides;
  if (values.count("set") != 0) overrides = values["set"].as<std::vector<std::string>>();
  if (values.count("folder") != 0) {
    overrides.push_back("run.folder=" + yaml_quoted(values["folder"].as<std::string>()));
  }
  return overrides;
}

}  // namespace

std::filesystem::path this_program() { return std::filesystem::read_symlink("/proc/self/exe"); }

int run_command(const std::vector<std::string>& arguments) {
  ArgumentSpec spec{"peryton run FILE [--set section.key=value]... [--folder DIR] [--dry-run]",
                    options::options_description("options"),
                    {{"file", 1}}};
  spec.described.add_options()("set", options::value<std::vector<std::string>>(),
                               "overrides one value of the file; may be repeated")(
      "folder", options::value<std::string>(), "run folder instead of runs/<name>")(
      "dry-run", "say what would be done, and do nothing");
  const auto values = parse_arguments(arguments, spec);
  if (!values) return kExitDone;
  SignalGate signals;
  RunConfig config =
      read_run_config(required(*values, "file", "the YAML file"), overrides_of(*values));
  const Machine machine = this_machine();
  check_world(config, machine);
  check_inputs(config);
  import_components(config, values->count("dry-run") == 0, print_line);
  const auto executor = make_executor(config, machine);
  if (values->count("dry-run") != 0) {
    std::fputs(dry_run(config, *executor, machine, this_program()).c_str(), stdout);
    return kExitDone;
  }
  PipelineOptions options;
  options.program = this_program();
  options.after_stage = write_report;
  options.say = print_line;
  const int code = run_pipeline(config, *executor, signals, options);
  if (code == kExitDone) std::printf("done: %s\n", (config.run.folder / "report.html").c_str());
  return code;
}

}  // namespace peryton
