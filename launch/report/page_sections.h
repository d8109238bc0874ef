// The sections of report.html, each an HTML fragment, or empty when the run has nothing for it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "framework/config/run_config.h"
#include "launch/report/summary.h"

namespace peryton {

struct ReportInput {
  const RunConfig& config;
  const std::filesystem::path& run_folder;
  const RunSummary& summary;
};

std::string verdict_section(const ReportInput& input);
std::string warnings_section(const ReportInput& input);
std::string cost_section(const ReportInput& input);
std::string evaluation_section(const ReportInput& input);
std::string hybrid_section(const ReportInput& input);
std::string alpha_section(const ReportInput& input);
std::string curves_section(const ReportInput& input);
std::string stages_section(const ReportInput& input);
std::string samples_section(const ReportInput& input);
std::string next_section(const ReportInput& input);

}  // namespace peryton
