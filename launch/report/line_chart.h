// Charts as inline SVG. Colours come from classes of the page's style: c0 to c7, "axis", "grid".
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "launch/report/run_files.h"

namespace peryton {

struct Series {
  std::string name;      // shown in the legend when there are several
  Points points;         // those that are not finite are left out
  int colour = 0;        // class c<colour>
  bool markers = false;  // dots on a thicker line: few points
};

struct LineChart {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  double y_low = 0, y_high = 0;  // equal: from the points
  int width = 460, height = 260;
};

// An <svg> element; a chart with no points says so.
std::string line_chart_svg(const LineChart& chart);

// At most `limit` points: means of equal runs of steps, so that a curve keeps its level.
Points thinned(const Points& points, size_t limit);

// About `count` round numbers that span [low, high], low < high.
std::vector<double> round_ticks(double low, double high, int count);
// A tick's label, without needless zeros.
std::string tick_text(double value);

}  // namespace peryton
