// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/files.h"
#include "launch/report/report.h"
#include "launch/report/run_files.h"
#include "launch/report/summary.h"

namespace peryton {

void write_report(const RunConfig& config, const std::filesystem::path& run_folder) {
  const Json summary = to_json(summarise_run(config, run_folder));
  const std::string text = summary.dump(2, ' ', false, Json::error_handler_t::replace);
  atomic_write_file(run_folder / "summary.json", text + "\n");
  atomic_write_file(run_folder / "report.html", report_page(config, run_folder));
}

}  // namespace peryton
