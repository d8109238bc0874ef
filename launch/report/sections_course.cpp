// How it came about: cost, stages, curves, the hybrid and its mixture.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "launch/report/drawings.h"
#include "launch/report/format.h"
#include "launch/report/line_chart.h"
#include "launch/report/page_sections.h"
#include "launch/report/run_files.h"

namespace peryton {

namespace {

constexpr size_t kMostPanels = 24;

std::string tile(const std::string& value, const std::string& what) {
  return "<div class='tile'><b>" + html_escape(value) + "</b><span>" + html_escape(what) +
         "</span></div>";
}

// α of one segment against the step, a line per component.
LineChart segment_chart(const ReportInput& input, const StageCurves& curves, size_t segment) {
  LineChart chart;
  chart.title = fmt::format("segment {}", segment + 1);
  chart.x_label = "step";
  chart.y_low = 0, chart.y_high = 1;
  chart.width = 310, chart.height = 190;
  const auto& names = input.config.hybrid.components;
  for (size_t k = 0; k < curves.alpha[0].second[segment].size(); ++k) {
    Series series;
    series.name = k < names.size() ? names[k] : fmt::format("{}", k);
    series.colour = static_cast<int>(k);
    for (const auto& [step, alpha] : curves.alpha) {
      if (segment < alpha.size() && k < alpha[segment].size()) {
        series.points.emplace_back(step, alpha[segment][k]);
      }
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

bool alpha_moves(const StageCurves& curves) {
  return curves.alpha.size() > 1 &&
         std::any_of(curves.alpha.begin(), curves.alpha.end(),
                     [&](const auto& entry) { return entry.second != curves.alpha[0].second; });
}

std::string alpha_panels(const ReportInput& input, const StageConfig& stage) {
  const StageCurves curves = read_curves(stage_folder_of(input.run_folder, stage.name));
  if (!alpha_moves(curves)) return "";
  std::string html = "<figure><div class='grid3'>";
  const size_t count = std::min(kMostPanels, curves.alpha[0].second.size());
  for (size_t i = 0; i < count; ++i) html += line_chart_svg(segment_chart(input, curves, i));
  return html + "</div><figcaption>α over the steps of stage " + html_escape(stage.name) +
         ".</figcaption></figure>";
}

std::string stage_row(const StageSummary& stage) {
  const auto cell = [](const std::string& text) { return "<td>" + html_escape(text) + "</td>"; };
  const auto amount = [](double value) {
    return value > 0 ? amount_text(value) : std::string("–");
  };
  return "<tr>" + cell(stage.name) + cell(stage.kind) + cell(stage.status) +
         cell(duration_text(stage.seconds)) + cell(amount(static_cast<double>(stage.steps))) +
         cell(amount(static_cast<double>(stage.tokens))) +
         cell(stage.tokens > 0 ? amount_text(stage.tokens_per_second) : "–") +
         cell(stage.final_loss ? fixed_text(*stage.final_loss, 4) : "–") +
         cell(stage.peak_memory_bytes > 0 ? bytes_text(static_cast<double>(stage.peak_memory_bytes))
                                          : "–") +
         cell(stage.resumed_from >= 0 ? fmt::format("step {}", stage.resumed_from) : "–") + "</tr>";
}

std::string initial_loss_note(const ReportInput& input, const StageConfig& stage) {
  const Json result =
      read_json_or_null(stage_folder_of(input.run_folder, stage.name) / "result.json");
  const Json losses = object_of(object_of(result, "extra"), "initial_loss");
  const auto fitted = optional_number_of(losses, "fitted");
  if (!fitted) return "";
  std::string text = fmt::format("Fitted projectors start at a loss of {}", fixed_text(*fitted, 3));
  for (const char* other : {"random", "identity"}) {
    const auto loss = optional_number_of(losses, other);
    if (loss) text += fmt::format(", {} ones at {}", other, fixed_text(*loss, 3));
  }
  return "<p>" + html_escape(text) + ".</p>";
}

}  // namespace

std::string cost_section(const ReportInput& input) {
  const CostSummary& cost = input.summary.cost;
  double seconds = 0;
  std::int64_t memory = 0;
  for (const StageSummary& stage : input.summary.stages) {
    seconds += stage.seconds;
    memory = std::max(memory, stage.peak_memory_bytes);
  }
  std::string html = "<section class='tiles'>" + tile(duration_text(seconds), "in all stages") +
                     tile(amount_text(static_cast<double>(cost.tokens)), "training tokens") +
                     tile(amount_text(cost.flops), "training FLOPs") +
                     tile(duration_text(cost.core_seconds), "core time");
  if (cost.gpu_seconds > 0) html += tile(duration_text(cost.gpu_seconds), "GPU time");
  if (memory > 0) html += tile(bytes_text(static_cast<double>(memory)), "peak memory");
  return html + "</section>";
}

std::string hybrid_section(const ReportInput& input) {
  if (!input.config.has_hybrid()) return "";
  const auto& names = input.config.hybrid.components;
  std::string html = "<section><h2>The hybrid</h2><figure class='wide'>" +
                     hybrid_drawing_svg(names, input.summary.alpha);
  if (!input.summary.alpha.empty()) {
    html +=
        "<figcaption>Each segment runs the components side by side and adds them up; a stronger "
        "line and colour is a larger weight α.</figcaption></figure><figure class='wide'>" +
        alpha_heat_map_svg(names, input.summary.alpha) +
        "<figcaption>α by component and segment.</figcaption>";
  }
  return html + "</figure></section>";
}

std::string alpha_section(const ReportInput& input) {
  std::string html;
  for (const StageConfig& stage : input.config.stages) {
    if (stage.model == kHybridModel && stage.trains()) html += alpha_panels(input, stage);
  }
  return html.empty() ? "" : "<section><h2>How α was found</h2>" + html + "</section>";
}

std::string curves_section(const ReportInput& input) {
  std::string charts, notes;
  for (const StageConfig& stage : input.config.stages) {
    if (stage.kind == StageKind::kFitProjectors) notes += initial_loss_note(input, stage);
    if (!stage.trains()) continue;
    StageCurves curves = read_curves(stage_folder_of(input.run_folder, stage.name));
    if (curves.loss.empty()) continue;
    LineChart chart;
    chart.title = stage.name;
    chart.x_label = "step", chart.y_label = "nats per token";
    chart.series.push_back({"training", std::move(curves.loss), 0, false});
    if (!curves.validation_loss.empty()) {
      chart.series.push_back({"validation", std::move(curves.validation_loss), 1, true});
    }
    charts += line_chart_svg(chart);
  }
  if (charts.empty() && notes.empty()) return "";
  return "<section><h2>Loss curves</h2>" + notes + "<div class='grid2'>" + charts +
         "</div></section>";
}

std::string stages_section(const ReportInput& input) {
  std::string html =
      "<section><h2>Stages</h2><div class='wide'><table><thead><tr><th>stage</th><th>kind</th>"
      "<th>status</th><th>time</th><th>steps</th><th>tokens</th><th>tokens/s</th><th>final "
      "loss</th>"
      "<th>peak memory</th><th>resumed</th></tr></thead><tbody>";
  for (const StageSummary& stage : input.summary.stages) html += stage_row(stage);
  return html + "</tbody></table></div></section>";
}

}  // namespace peryton
