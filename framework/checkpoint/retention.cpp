// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/retention.h"

#include <algorithm>
#include <map>
#include <set>

namespace peryton {

std::vector<std::int64_t> steps_to_delete(std::span<const CheckpointManifest> manifests,
                                          int keep_last, int keep_best,
                                          std::span<const std::int64_t> keep) {
  std::map<std::int64_t, const CheckpointManifest*> by_step;
  std::set<std::pair<double, std::int64_t>> by_metric;
  for (const CheckpointManifest& manifest : manifests) {
    by_step[manifest.step] = &manifest;
    if (manifest.metric) by_metric.emplace(*manifest.metric, manifest.step);
  }
  std::vector<std::int64_t> open(keep.begin(), keep.end());
  int left = keep_last;
  for (auto step = by_step.rbegin(); step != by_step.rend() && left > 0; ++step, --left) {
    open.push_back(step->first);
  }
  left = keep_best;
  for (auto item = by_metric.begin(); item != by_metric.end() && left > 0; ++item, --left) {
    open.push_back(item->second);
  }
  std::set<std::int64_t> kept;
  while (!open.empty()) {
    const std::int64_t step = open.back();
    open.pop_back();
    const auto found = by_step.find(step);
    if (!kept.insert(step).second || found == by_step.end()) continue;
    open.insert(open.end(), found->second->refers_to.begin(), found->second->refers_to.end());
  }
  std::vector<std::int64_t> rest;
  for (const auto& item : by_step) {
    if (kept.count(item.first) == 0) rest.push_back(item.first);
  }
  return rest;
}

}  // namespace peryton
