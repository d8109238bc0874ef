// What came out: the verdict, warnings, the evaluation, samples.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "launch/report/drawings.h"
#include "launch/report/format.h"
#include "launch/report/page_sections.h"
#include "launch/report/run_files.h"
#include "launch/report/verdict.h"

namespace peryton {

namespace {

std::string list_of(const std::vector<std::string>& sentences, const std::string& style = "") {
  if (sentences.empty()) return "";
  std::string html = style.empty() ? "<ul>" : "<ul class='" + style + "'>";
  for (const std::string& sentence : sentences) html += "<li>" + html_escape(sentence) + "</li>";
  return html + "</ul>";
}

const char* style_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kBetter:
      return "better";
    case Outcome::kTie:
      return "tie";
    case Outcome::kWorse:
      return "worse";
    case Outcome::kUnknown:
      break;
  }
  return "unknown";
}

// What the stages themselves warn of, and what their status says.
std::vector<std::string> warnings_of(const ReportInput& input) {
  std::vector<std::string> warnings;
  for (const StageSummary& stage : input.summary.stages) {
    if (stage.status != "done" && stage.status != "waiting") {
      const auto state = stage_folder_of(input.run_folder, stage.name) / "state.json";
      const std::string reason = text_of(read_json_or_null(state), "reason");
      warnings.push_back(fmt::format("Stage {} is {}{}{}", stage.name, stage.status,
                                     reason.empty() ? "." : ": ", reason));
    }
    const auto file = stage_folder_of(input.run_folder, stage.name) / "result.json";
    const Json extra = object_of(read_json_or_null(file), "extra");
    if (!extra.contains("warnings") || !extra["warnings"].is_array()) continue;
    for (const Json& warning : extra["warnings"]) {
      if (warning.is_string()) warnings.push_back(stage.name + ": " + warning.get<std::string>());
    }
  }
  return warnings;
}

std::string evaluation_row(const EvaluationSummary& row, bool first) {
  const auto cell = [](const std::string& text) { return "<td>" + html_escape(text) + "</td>"; };
  std::string interval;
  if (row.bits_per_byte.interval) {
    interval =
        fmt::format("<small>{} to {}</small>", fixed_text(row.bits_per_byte.interval->first, 3),
                    fixed_text(row.bits_per_byte.interval->second, 3));
  }
  return (first ? "<tr class='first'>" : "<tr>") + cell(row.name) + "<td>" +
         fixed_text(row.bits_per_byte.value, 3) + interval + "</td>" +
         cell(fixed_text(row.loss, 3)) + cell(fixed_text(row.perplexity, 2)) +
         cell(amount_text(static_cast<double>(row.parameters))) +
         cell(amount_text(static_cast<double>(row.trainable_parameters))) +
         cell(amount_text(static_cast<double>(row.training_tokens))) +
         cell(amount_text(row.training_flops)) + cell(amount_text(row.flops_per_token)) +
         cell(row.alpha_distance_from_uniform ? fixed_text(*row.alpha_distance_from_uniform, 3)
                                              : "–") +
         "</tr>";
}

// The first sample of every model, in the order of the file.
std::string samples_of(const Json& samples) {
  std::string html;
  std::vector<std::string> shown;
  for (const Json& sample : samples) {
    const std::string model = text_of(sample, "model");
    if (std::find(shown.begin(), shown.end(), model) != shown.end()) continue;
    shown.push_back(model);
    html += "<div class='sample'><b>" + html_escape(model) + "</b><i>" +
            html_escape(text_of(sample, "prompt")) + "</i>" + html_escape(text_of(sample, "text")) +
            "</div>";
  }
  return html;
}

}  // namespace

std::string verdict_section(const ReportInput& input) {
  const Verdict verdict = verdict_of(input.config, input.summary);
  return fmt::format("<section class='verdict {}'><p class='headline'>{}</p>{}{}</section>",
                     style_of(verdict.outcome), html_escape(verdict.headline),
                     list_of(verdict.comparisons), list_of(verdict.caveats, "quiet"));
}

std::string warnings_section(const ReportInput& input) {
  const std::vector<std::string> warnings = warnings_of(input);
  if (warnings.empty()) return "";
  return "<section class='warnings'><b>Warnings</b>" + list_of(warnings) + "</section>";
}

std::string evaluation_section(const ReportInput& input) {
  const auto& rows = input.summary.evaluation;
  if (rows.empty()) return "";
  std::string html =
      "<section><h2>Evaluation</h2><div class='wide'><table><thead><tr><th>model</th>"
      "<th>bits per byte</th><th>loss</th><th>perplexity</th><th>parameters</th><th>trainable</th>"
      "<th>training<br>tokens</th><th>training<br>FLOPs</th><th>FLOPs<br>per token</th>"
      "<th>α off<br>uniform</th></tr></thead><tbody>";
  for (const EvaluationSummary& row : rows) html += evaluation_row(row, &row == &rows[0]);
  return html + "</tbody></table></div><figure class='wide'>" + interval_plot_svg(rows) +
         "<figcaption>Bits per byte, lower is better, with 95 % intervals over documents; the band "
         "is "
         "that of the first row. Intervals that overlap do not make a tie: the verdict uses paired "
         "differences. Training counts leave out the components’ pretraining.</figcaption>"
         "</figure></section>";
}

std::string samples_section(const ReportInput& input) {
  std::string html;
  for (const StageConfig& stage : input.config.stages) {
    if (stage.kind != StageKind::kGenerate) continue;
    const Json samples =
        read_json_or_null(stage_folder_of(input.run_folder, stage.name) / "samples.json");
    if (samples.is_array()) html += samples_of(samples);
  }
  return html.empty() ? "" : "<section><h2>A sample of each model</h2>" + html + "</section>";
}

}  // namespace peryton
