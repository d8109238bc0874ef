// SPDX-License-Identifier: Apache-2.0
#include "launch/report/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "launch/report/format.h"

namespace peryton {

namespace {

constexpr double kLeft = 52, kRight = 14, kTop = 40, kBottom = 38;

struct Range {
  double low = INFINITY, high = -INFINITY;
  bool empty() const { return !(low <= high); }
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

// A little air around the values; a flat line gets a range of its own.
Range padded(Range range) {
  double air = 0.06 * (range.high - range.low);
  if (!(air > 0)) air = std::max(1e-3, 0.05 * std::abs(range.high));
  return {range.low - air, range.high + air};
}

// Maps data to the pixels of the plot.
struct Frame {
  Range x, y;
  double width, height;
  double px(double value) const {
    return kLeft + (value - x.low) / (x.high - x.low) * (width - kLeft - kRight);
  }
  double py(double value) const {
    return height - kBottom - (value - y.low) / (y.high - y.low) * (height - kTop - kBottom);
  }
};

Points finite(const Points& points) {
  Points kept;
  std::copy_if(points.begin(), points.end(), std::back_inserter(kept), [](const auto& point) {
    return std::isfinite(point.first) && std::isfinite(point.second);
  });
  return kept;
}

std::string axes_svg(const LineChart& chart, const Frame& frame) {
  std::string svg;
  for (const double tick : round_ticks(frame.y.low, frame.y.high, 5)) {
    const double y = frame.py(tick);
    svg += fmt::format(
        "<line class='grid' x1='{:.1f}' y1='{:.1f}' x2='{:.1f}' y2='{:.1f}'/>"
        "<text class='tick' x='{:.1f}' y='{:.1f}' text-anchor='end'>{}</text>",
        kLeft, y, frame.width - kRight, y, kLeft - 7, y + 4, tick_text(tick));
  }
  const double base = frame.height - kBottom;
  for (const double tick : round_ticks(frame.x.low, frame.x.high, 5)) {
    svg += fmt::format("<text class='tick' x='{:.1f}' y='{:.1f}' text-anchor='middle'>{}</text>",
                       frame.px(tick), base + 16, tick_text(tick));
  }
  svg += fmt::format("<line class='axis' x1='{0:.1f}' y1='{1:.1f}' x2='{2:.1f}' y2='{1:.1f}'/>",
                     kLeft, base, frame.width - kRight);
  svg += fmt::format("<text class='label' x='{:.1f}' y='{:.1f}' text-anchor='end'>{}</text>",
                     frame.width - kRight, base + 32, html_escape(chart.x_label));
  svg += fmt::format("<text class='tick' x='4' y='30'>{}</text>", html_escape(chart.y_label));
  return svg;
}

std::string series_svg(const Series& series, const Points& points, const Frame& frame) {
  std::string path;
  for (const auto& [x, y] : points) {
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", frame.px(x), frame.py(y));
  }
  std::string svg = fmt::format("<path class='line{} c{}' d='{}'/>",
                                series.markers ? " strong" : "", series.colour % 8, path);
  if (!series.markers && points.size() > 1) return svg;
  for (const auto& [x, y] : points) {
    svg += fmt::format("<circle class='dot c{}' cx='{:.1f}' cy='{:.1f}' r='3'/>", series.colour % 8,
                       frame.px(x), frame.py(y));
  }
  return svg;
}

std::string legend_svg(const LineChart& chart) {
  if (chart.series.size() < 2) return "";
  std::string svg;
  double x = chart.width - kRight;
  for (auto series = chart.series.rbegin(); series != chart.series.rend(); ++series) {
    svg += fmt::format("<text class='legend' x='{:.1f}' y='14' text-anchor='end'>{}</text>", x,
                       html_escape(series->name));
    x -= 6.8 * static_cast<double>(series->name.size()) + 10;  // about the width of the text
    svg +=
        fmt::format("<circle class='dot c{}' cx='{:.1f}' cy='10' r='4'/>", series->colour % 8, x);
    x -= 14;
  }
  return svg;
}

}  // namespace

std::vector<double> round_ticks(double low, double high, int count) {
  if (!(high > low) || count < 1) return {};
  const double rough = (high - low) / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  for (double k = std::ceil(low / step); k * step <= high; ++k) ticks.push_back(k * step);
  return ticks;
}

std::string tick_text(double value) {
  if (value != 0 && std::abs(value) >= 1e4) return amount_text(value);
  return fmt::format("{:.4g}", std::abs(value) < 1e-12 ? 0.0 : value);
}

Points thinned(const Points& points, size_t limit) {
  if (points.size() <= limit || limit == 0) return points;
  Points result;
  for (size_t i = 0; i < limit; ++i) {
    const size_t begin = i * points.size() / limit, end = (i + 1) * points.size() / limit;
    double x = 0, y = 0;
    for (size_t j = begin; j < end; ++j) x += points[j].first, y += points[j].second;
    const auto size = static_cast<double>(end - begin);
    result.emplace_back(x / size, y / size);
  }
  return result;
}

std::string line_chart_svg(const LineChart& chart) {
  Frame frame{{}, {}, static_cast<double>(chart.width), static_cast<double>(chart.height)};
  std::vector<Points> points;
  for (const Series& series : chart.series) {
    points.push_back(thinned(finite(series.points), 400));
    for (const auto& [x, y] : points.back()) frame.x.add(x), frame.y.add(y);
  }
  std::string svg = fmt::format(
      "<svg class='chart' viewBox='0 0 {0} {1}' width='{0}' role='img' aria-label='{2}'>"
      "<text class='title' x='4' y='14'>{2}</text>",
      chart.width, chart.height, html_escape(chart.title));
  if (frame.x.empty()) {
    return svg + fmt::format("<text class='label' x='4' y='{}'>nothing logged</text></svg>",
                             chart.height / 2);
  }
  if (frame.x.low == frame.x.high) frame.x = padded(frame.x);
  frame.y = chart.y_low < chart.y_high ? Range{chart.y_low, chart.y_high} : padded(frame.y);
  svg += axes_svg(chart, frame) + legend_svg(chart);
  for (size_t i = 0; i < points.size(); ++i) {
    if (!points[i].empty()) svg += series_svg(chart.series[i], points[i], frame);
  }
  return svg + "</svg>";
}

}  // namespace peryton
