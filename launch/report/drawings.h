// Pictures of a hybrid as inline SVG: what mixes what, how much, and how that was found.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "launch/report/run_files.h"
#include "launch/report/summary.h"

namespace peryton {

// From embedding to head: a column per segment, a box per component, as strong as its weight.
std::string hybrid_drawing_svg(const std::vector<std::string>& components, const AlphaTable& alpha);

// α as a table of colours: components down, segments across, the numbers written in.
std::string alpha_heat_map_svg(const std::vector<std::string>& components, const AlphaTable& alpha);

// Bits per byte of each row as a dot with its interval; the first row's interval is drawn through
// all.
std::string interval_plot_svg(const std::vector<EvaluationSummary>& rows);

}  // namespace peryton
