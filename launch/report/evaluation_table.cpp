// The evaluation for the console.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "launch/report/format.h"
#include "launch/report/summary.h"

namespace peryton {

namespace {

using Row = std::vector<std::string>;

Row cells_of(const EvaluationSummary& row) {
  return {row.name,
          estimate_text(row.bits_per_byte),
          fixed_text(row.loss, 3),
          fixed_text(row.perplexity, 2),
          amount_text(static_cast<double>(row.parameters)),
          amount_text(static_cast<double>(row.trainable_parameters)),
          amount_text(static_cast<double>(row.training_tokens)),
          amount_text(row.training_flops),
          amount_text(row.flops_per_token),
          row.alpha_distance_from_uniform ? fixed_text(*row.alpha_distance_from_uniform, 3) : "-"};
}

// Characters, not bytes, so that names in any language line up.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

}  // namespace

std::string evaluation_table(const RunSummary& summary) {
  std::vector<Row> rows = {{"model", "bits per byte (95 %)", "loss", "perplexity", "parameters",
                            "trainable", "tokens", "FLOPs", "FLOPs/token", "alpha off uniform"}};
  for (const EvaluationSummary& row : summary.evaluation) rows.push_back(cells_of(row));
  std::vector<size_t> widths(rows[0].size(), 0);
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - width_of(row[i]), ' ');
      line += i == 0 ? row[i] + pad : "  " + pad + row[i];
    }
    text += line + "\n";
  }
  return text;
}

}  // namespace peryton
