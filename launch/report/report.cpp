// SPDX-License-Identifier: Apache-2.0
#include "launch/report/report.h"

#include <fmt/format.h>

#include "launch/report/format.h"
#include "launch/report/page_sections.h"
#include "launch/report/style.h"

namespace peryton {

namespace {

// What a person would do next, as commands that work on this run.
std::string next_commands(const ReportInput& input) {
  const std::string folder = input.run_folder.string();
  if (input.summary.status != "done") {
    return fmt::format("peryton status {0}\nperyton run {0}/config.resolved.yaml\n", folder);
  }
  return fmt::format(
      "peryton generate {0} --prompt \"In the beginning\"\n"
      "peryton evaluate {0}\n"
      "peryton export {0} --to hf/\n"
      "peryton run {0}/config.resolved.yaml --set run.seed={1} --set run.folder={0}-seed-{1}\n",
      folder, input.summary.seed + 1);
}

std::string heading(const ReportInput& input) {
  const RunSummary& run = input.summary;
  const std::string& title = input.config.report.title;
  return fmt::format(
      "<h1>{} · {} · peryton {} ({}) · {} × {} × {} ranks (data, component, tensor) · "
      "seed {}</h1>",
      html_escape(title.empty() ? run.name : title), html_escape(run.status),
      html_escape(run.version), html_escape(run.git), run.data, run.component, run.tensor,
      run.seed);
}

}  // namespace

std::string next_section(const ReportInput& input) {
  std::string html =
      "<section><h2>What to run next</h2><pre>" + html_escape(next_commands(input)) + "</pre>";
  if (input.summary.status == "done") {
    html +=
        "<p class='quiet'>The last line repeats the run with another seed: a difference that holds "
        "over several seeds means more than any interval of one.</p>";
  }
  return html + "</section>";
}

std::string report_page(const RunConfig& config, const std::filesystem::path& run_folder) {
  const RunSummary summary = summarise_run(config, run_folder);
  const ReportInput input{config, run_folder, summary};
  std::string page = fmt::format(
      "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
      "<meta name='viewport' content='width=device-width,initial-scale=1'>"
      "<title>{} · Peryton</title><style>{}</style></head><body><main>\n",
      html_escape(config.run.name), kReportStyle);
  for (const auto section : {heading, verdict_section, warnings_section, cost_section,
                             evaluation_section, hybrid_section, alpha_section, curves_section,
                             samples_section, stages_section, next_section}) {
    page += section(input) + "\n";
  }
  return page + "</main></body></html>\n";
}

}  // namespace peryton
