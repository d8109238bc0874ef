// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/config/reader.h"

namespace peryton {
namespace {

// Tokens of one forward pass on one rank where the user does not say: enough to keep GEMMs busy,
// small enough for the caches and the memory of a laptop.
constexpr std::int64_t kTokensPerForward = 2048;

// Rows per forward: the largest divisor of a rank's rows that keeps a forward within
// kTokensPerForward.
std::int64_t default_micro_batch(std::int64_t rows, std::int64_t sequence) {
  std::int64_t best = 1;
  for (std::int64_t size = 1; size <= rows && size * sequence <= kTokensPerForward; ++size) {
    if (rows % size == 0) best = size;
  }
  return best;
}

std::string sizes_near(std::int64_t batch, std::int64_t unit) {
  const std::int64_t below = batch / unit * unit;
  return below > 0 ? fmt::format("{} or {} would do", below, below + unit)
                   : fmt::format("{} would do", below + unit);
}

// Cuts the global batch; `place` is where to complain.
void check_batch(const Node& place, const std::string& what, const ParallelConfig& parallel,
                 TrainConfig& train) {
  if (train.global_batch % parallel.data != 0) {
    place.mistake(
        fmt::format("{}: global_batch {} cannot be divided among parallel.data = {} ranks", what,
                    train.global_batch, parallel.data),
        sizes_near(train.global_batch, parallel.data));
    return;
  }
  const std::int64_t rows = train.global_batch / parallel.data;
  if (train.micro_batch == 0) train.micro_batch = default_micro_batch(rows, train.sequence);
  if (rows % train.micro_batch == 0) return;
  place.mistake(
      fmt::format("{}: global_batch {} is not a multiple of parallel.data x micro_batch = {} x {}",
                  what, train.global_batch, parallel.data, train.micro_batch),
      sizes_near(train.global_batch, parallel.data * train.micro_batch));
}

void check_alpha(const Node& place, const std::string& what, const HybridConfig& hybrid,
                 const AlphaConfig& alpha) {
  const auto rows = static_cast<std::int64_t>(alpha.values.size());
  const std::size_t columns = hybrid.components.size();
  if (rows > 1 && rows != hybrid.segments) {
    place.mistake(fmt::format("{}: {} rows for {} segments", what, rows, hybrid.segments),
                  "one row per segment, or one row for all");
  }
  for (const auto& row : alpha.values) {
    double sum = 0;
    for (const double value : row) sum += value;
    if (row.size() != columns) {
      place.mistake(
          fmt::format("{}: a row has {} numbers for {} components", what, row.size(), columns));
    } else if (std::fabs(sum - 1.0) > 1e-6) {  // decimals such as 0.333333 are meant to be thirds
      place.mistake(fmt::format("{}: a row sums to {}, not 1", what, sum));
    }
  }
}

void check_parallel(const Node& root, const RunConfig& config) {
  const Node map = root.at("parallel");
  const auto only_one = [&](const char* key, std::int64_t value) {
    if (value == 1) return;
    map.at(key).mistake(
        fmt::format("'parallel.{}' is {}; this version splits only over data", key, value),
        fmt::format("set it to 1 and use parallel.data = {}", config.parallel.world()));
  };
  only_one("component", config.parallel.component);
  only_one("tensor", config.parallel.tensor);
}

// Batches that every stage takes from `train:` are complained about once, there.
bool check_common_batch(const Node& root, const RunConfig& config) {
  TrainConfig common = config.train;
  const Node train = root.at("train");
  const Node batch = train.at("global_batch");
  Mistakes found;
  const Node place = batch ? batch : train ? train : root.at("parallel");
  const Node probe(place ? place.value() : root.value(), "", found);
  check_batch(probe, "train", config.parallel, common);
  if (found.empty()) return true;
  check_batch(place ? place : root, "train", config.parallel, common);
  return false;
}

bool cuts_batches(const StageConfig& stage) {
  return stage.trains() || stage.kind == StageKind::kFitProjectors;
}

}  // namespace

void check_config(const Node& root, const std::vector<WrittenStage>& written, RunConfig& config) {
  check_parallel(root, config);
  if (config.has_hybrid()) {
    check_alpha(root.at("hybrid"), "hybrid.alpha", config.hybrid, config.hybrid.alpha);
    if (config.hybrid.alpha.method != AlphaMethod::kFixed) {
      root.at("hybrid").at("alpha").mistake(
          "the α of the section 'hybrid' is fixed; stages choose how it trains",
          "write alpha: {method: ...} in a stage of kind search");
    }
  }
  std::map<std::string, Node> places;
  for (const WrittenStage& stage : written) places.emplace(stage.config.where, stage.node);
  const bool common_is_good = check_common_batch(root, config);
  for (StageConfig& stage : config.stages) {
    const auto place = places.find(stage.where);
    if (place == places.end()) continue;
    TrainConfig& settings = stage.settings;
    const bool is_common = settings.global_batch == config.train.global_batch &&
                           settings.micro_batch == config.train.micro_batch;
    if (is_common && !common_is_good) continue;
    if (cuts_batches(stage)) {
      check_batch(place->second, "stage '" + stage.name + "'", config.parallel, settings);
    } else if (stage.kind == StageKind::kEvaluate && settings.micro_batch == 0) {
      settings.micro_batch = std::max<std::int64_t>(1, kTokensPerForward / settings.sequence);
    }
    if (stage.alpha && config.has_hybrid()) {
      check_alpha(place->second, "stage '" + stage.name + "'", config.hybrid, *stage.alpha);
    }
  }
}

}  // namespace peryton
