// SPDX-License-Identifier: Apache-2.0
#include "framework/train/metrics/metrics.h"

#include "framework/train/metrics/jsonl.h"
#include "framework/train/metrics/tensorboard.h"

namespace peryton {

std::unique_ptr<MetricsWriter> open_metrics(const std::string& folder, int64_t resumed_step) {
  auto writers = std::make_unique<MetricsFanOut>();
  writers->add(std::make_unique<JsonlWriter>(folder + "/metrics.jsonl", resumed_step));
  writers->add(std::make_unique<TensorBoardWriter>(folder, resumed_step));
  return writers;
}

}  // namespace peryton
