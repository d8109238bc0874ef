// peryton report: what came out of a run.
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <filesystem>

#include "framework/core/error.h"
#include "launch/cli/commands.h"
#include "launch/report/report.h"
#include "launch/report/summary.h"
#include "launch/report/verdict.h"

namespace peryton {

int report_command(const std::vector<std::string>& arguments) {
  const bool help = arguments.size() == 1 && (arguments[0] == "--help" || arguments[0] == "-h");
  if (help || arguments.size() != 1) {
    std::puts(
        "usage: peryton report RUN_FOLDER\n\n"
        "Writes summary.json and report.html anew and prints the verdict and the evaluation.");
    return help ? 0 : 2;
  }
  const std::filesystem::path folder = std::filesystem::absolute(arguments[0]);
  const auto file = folder / "config.resolved.yaml";
  if (!std::filesystem::exists(file)) {
    fail_input("this is not the folder of a run", folder,
               "a run folder holds config.resolved.yaml, for example runs/quickstart");
  }
  const RunConfig config = read_run_config(file);
  write_report(config, folder);
  const RunSummary summary = read_run_summary(folder / "summary.json");
  std::fputs(evaluation_table(summary).c_str(), stdout);
  std::printf("\n%s\n", verdict_of(config, summary).headline.c_str());
  std::printf("report: %s\n", (folder / "report.html").c_str());
  return 0;
}

}  // namespace peryton
