// SPDX-License-Identifier: Apache-2.0
#include "launch/report/drawings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "launch/report/format.h"
#include "launch/report/line_chart.h"

namespace peryton {

namespace {

constexpr size_t kMostFitted = 8;  // more segments are scrolled, not shrunk
constexpr int kBoxWidth = 96, kBoxHeight = 46, kColumn = 168, kRow = 66, kEnd = 74;

std::string component_name(const std::vector<std::string>& components, size_t k) {
  return k < components.size() ? components[k] : fmt::format("component {}", k);
}

// About `limit` characters, so that a long name stays in its box.
std::string shortened(const std::string& name, size_t limit) {
  if (name.size() <= limit) return name;
  size_t end = limit - 1;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80) --end;  // whole UTF-8
  return name.substr(0, end) + "…";
}

std::string curve(double x0, double y0, double x1, double y1, double weight, size_t k) {
  const double middle = (x0 + x1) / 2;
  return fmt::format(
      "<path class='flow c{}' d='M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}' "
      "stroke-width='{:.2f}' opacity='{:.2f}'/>",
      k % 8, x0, y0, middle, y0, middle, y1, x1, y1, 1 + 7 * weight, 0.25 + 0.75 * weight);
}

std::string end_box(double x, double y, const std::string& text) {
  return fmt::format(
      "<rect class='end' x='{:.1f}' y='{:.1f}' width='{}' height='34' rx='17'/>"
      "<text class='boxname' x='{:.1f}' y='{:.1f}' text-anchor='middle'>{}</text>",
      x, y - 17, kEnd - 10, x + (kEnd - 10) / 2.0, y + 4, text);
}

// The components of one segment between the mix before it (at x) and its own.
std::string segment_svg(const std::vector<std::string>& components,
                        const std::vector<double>& weights, size_t segment, double x,
                        double centre) {
  const double box = x + 36, mix = x + kColumn;
  const double top = centre - kRow * (static_cast<double>(weights.size()) - 1) / 2;
  std::string flows, boxes;
  for (size_t k = 0; k < weights.size(); ++k) {
    const double weight = std::clamp(weights[k], 0.0, 1.0), y = top + kRow * static_cast<double>(k);
    flows +=
        curve(x, centre, box, y, weight, k) + curve(box + kBoxWidth, y, mix, centre, weight, k);
    boxes += fmt::format(
        "<rect class='page' x='{0:.1f}' y='{1:.1f}' width='{2}' height='{3}' rx='8'/>"
        "<rect class='box c{4}' x='{0:.1f}' y='{1:.1f}' width='{2}' height='{3}' rx='8' "
        "fill-opacity='{5:.2f}'/>"
        "<text class='boxname' x='{6:.1f}' y='{7:.1f}' text-anchor='middle'>{8}</text>"
        "<text class='boxvalue' x='{6:.1f}' y='{9:.1f}' text-anchor='middle'>{10}</text>",
        box, y - kBoxHeight / 2.0, kBoxWidth, kBoxHeight, k % 8, 0.08 + 0.5 * weight,
        box + kBoxWidth / 2.0, y - 3, html_escape(shortened(component_name(components, k), 13)),
        y + 14, fixed_text(weights[k], 3));
  }
  return flows + boxes +
         fmt::format(
             "<circle class='mix' cx='{0:.1f}' cy='{1:.1f}' r='9'/>"
             "<text class='boxname' x='{0:.1f}' y='{2:.1f}' text-anchor='middle'>+</text>"
             "<text class='tick' x='{3:.1f}' y='14' text-anchor='middle'>segment {4}</text>",
             mix, centre, centre + 4, box + kBoxWidth / 2.0, segment + 1);
}

}  // namespace

std::string hybrid_drawing_svg(const std::vector<std::string>& components,
                               const AlphaTable& alpha) {
  if (alpha.empty()) return "<p class='quiet'>No mixture is known yet.</p>";
  const double count = static_cast<double>(alpha.size());
  const double rows = static_cast<double>(alpha[0].size());
  const double width = 2 * kEnd + kColumn * count + 30, height = 30 + kRow * rows + 8;
  const double centre = 26 + kRow * rows / 2;
  std::string svg = fmt::format(
      "<svg{2} viewBox='0 0 {0:.0f} {1:.0f}' width='{0:.0f}' role='img' aria-label='the hybrid'>",
      width, height, alpha.size() <= kMostFitted ? " class='fit'" : "");
  for (size_t i = 0; i < alpha.size(); ++i) {
    svg += segment_svg(components, alpha[i], i, kEnd + kColumn * static_cast<double>(i), centre);
  }
  svg += end_box(4, centre, "embed");
  svg += fmt::format("<line class='axis' x1='{0:.1f}' y1='{1:.1f}' x2='{2:.1f}' y2='{1:.1f}'/>",
                     kEnd + kColumn * count + 9, centre, kEnd + kColumn * count + 26);
  return svg + end_box(kEnd + kColumn * count + 26, centre, "head") + "</svg>";
}

std::string alpha_heat_map_svg(const std::vector<std::string>& components,
                               const AlphaTable& alpha) {
  if (alpha.empty()) return "";
  constexpr int kCell = 62, kCellHeight = 34, kNames = 120;
  const size_t count = alpha[0].size();
  std::string svg = fmt::format(
      "<svg viewBox='0 0 {0} {1}' width='{0}' role='img' aria-label='alpha per segment'>",
      kNames + kCell * static_cast<int>(alpha.size()) + 4,
      24 + kCellHeight * static_cast<int>(count));
  for (size_t i = 0; i < alpha.size(); ++i) {
    const int x = kNames + kCell * static_cast<int>(i);
    svg += fmt::format("<text class='tick' x='{}' y='14' text-anchor='middle'>{}</text>",
                       x + kCell / 2, i + 1);
    for (size_t k = 0; k < count; ++k) {
      const double weight = std::clamp(alpha[i][k], 0.0, 1.0);
      const int y = 20 + kCellHeight * static_cast<int>(k);
      svg += fmt::format(
          "<rect class='cell' x='{}' y='{}' width='{}' height='{}' rx='4' fill-opacity='{:.3f}'/>"
          "<text class='cellvalue{}' x='{}' y='{}' text-anchor='middle'>{}</text>",
          x + 1, y + 1, kCell - 2, kCellHeight - 2, 0.04 + 0.96 * weight,
          weight > 0.55 ? " light" : "", x + kCell / 2, y + kCellHeight / 2 + 5,
          fixed_text(alpha[i][k], 3));
    }
  }
  for (size_t k = 0; k < count; ++k) {
    svg += fmt::format("<text class='label' x='{}' y='{}' text-anchor='end'>{}</text>", kNames - 8,
                       20 + kCellHeight * static_cast<int>(k) + kCellHeight / 2 + 5,
                       html_escape(shortened(component_name(components, k), 16)));
  }
  return svg + "</svg>";
}

std::string interval_plot_svg(const std::vector<EvaluationSummary>& rows) {
  double low = INFINITY, high = -INFINITY;
  const auto ends = [](const Estimate& e) {
    return e.interval.value_or(std::pair<double, double>{e.value, e.value});
  };
  for (const EvaluationSummary& row : rows) {
    if (!std::isfinite(row.bits_per_byte.value)) continue;
    low = std::min(low, ends(row.bits_per_byte).first);
    high = std::max(high, ends(row.bits_per_byte).second);
  }
  if (!(low <= high)) return "";
  const double air = std::max(0.005, 0.08 * (high - low));
  low -= air, high += air;
  constexpr double kNames = 290, kWidth = 860, kStep = 28;
  const double height = 30 + kStep * static_cast<double>(rows.size());
  const auto px = [&](double v) {
    return kNames + (v - low) / (high - low) * (kWidth - kNames - 16);
  };
  std::string svg = fmt::format(
      "<svg viewBox='0 0 {0} {1:.0f}' width='{0}' role='img' aria-label='bits per byte'>", kWidth,
      height);
  const auto [left, right] = ends(rows[0].bits_per_byte);
  if (std::isfinite(left) && std::isfinite(right)) {
    svg += fmt::format("<rect class='band' x='{:.1f}' y='2' width='{:.1f}' height='{:.1f}'/>",
                       px(left), std::max(1.0, px(right) - px(left)), height - 28);
  }
  for (const double tick : round_ticks(low, high, 6)) {
    svg += fmt::format(
        "<line class='grid' x1='{0:.1f}' y1='2' x2='{0:.1f}' y2='{1:.1f}'/>"
        "<text class='tick' x='{0:.1f}' y='{2:.1f}' text-anchor='middle'>{3}</text>",
        px(tick), height - 26, height - 8, tick_text(tick));
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const Estimate& value = rows[i].bits_per_byte;
    const double y = 2 + kStep * (static_cast<double>(i) + 0.5);
    svg += fmt::format("<text class='label' x='{}' y='{:.1f}' text-anchor='end'>{}</text>",
                       kNames - 12, y + 4, html_escape(shortened(rows[i].name, 42)));
    if (!std::isfinite(value.value)) continue;
    svg += fmt::format(
        "<line class='line strong c{0}' x1='{1:.1f}' y1='{2:.1f}' x2='{3:.1f}' y2='{2:.1f}'/>"
        "<circle class='dot c{0}' cx='{4:.1f}' cy='{2:.1f}' r='5'/>",
        i == 0 ? 1 : 0, px(ends(value).first), y, px(ends(value).second), px(value.value));
  }
  return svg + "</svg>";
}

}  // namespace peryton
