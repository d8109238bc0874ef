// SPDX-License-Identifier: Apache-2.0
#include "framework/config/reader.h"

namespace peryton {
namespace {

constexpr std::int64_t kMaxSequence = 1 << 20;

void read_groups(const Node& map, std::map<std::string, GroupConfig>& groups) {
  for (const auto& [name, node] : map.pairs()) {
    bool known = false;
    for (const std::string& group : train_groups()) known = known || group == name;
    if (!known) {
      node.mistake("unknown group '" + name + "'", suggest(name, train_groups()));
      continue;
    }
    if (!node.is_map()) {
      node.mistake("'" + node.path() + "' must be a map of keys", "for example {lr: 1e-2}");
      continue;
    }
    GroupConfig& group = groups[name];
    const auto read = [&node = node](const char* key, std::optional<double>& target, double high) {
      double value = 0;
      const Node entry = node.at(key);
      if (entry && entry.to_number(value, 0.0, high)) target = value;
    };
    read("lr", group.lr, 100.0);
    read("weight_decay", group.weight_decay, 10.0);
    read("clip", group.clip, 1e9);
    node.finish();
  }
}

void read_early_stopping(const Node& map, EarlyStoppingConfig& stopping) {
  const Node node = map.at("early_stopping");
  if (!node) return;
  if (!node.is_map()) {
    node.to_count(stopping.patience, 0, 1'000'000);
    return;
  }
  node.count("patience", stopping.patience, 0, 1'000'000);
  node.number("minimum_gain", stopping.minimum_gain, 0.0, 100.0);
  node.finish();
}

}  // namespace

const std::vector<std::string>& train_groups() {
  static const std::vector<std::string> groups = {"alpha",      "projectors", "embeddings",
                                                  "components", "norms",      "heads"};
  return groups;
}

void read_batch(const Node& map, TrainConfig& train) {
  map.count("sequence", train.sequence, 2, kMaxSequence);
  map.count("global_batch", train.global_batch, 1, 1 << 24);
  map.count("micro_batch", train.micro_batch, 1, 1 << 20);
  map.choice("precision", train.precision);
}

void read_train(const Node& map, TrainConfig& train) {
  read_batch(map, train);
  map.number("lr", train.lr, 0.0, 100.0);
  map.choice("schedule", train.schedule);
  map.interval("warmup", train.warmup);
  map.interval("decay", train.decay);
  map.number("lr_end", train.lr_end, 0.0, 1.0);
  map.number("weight_decay", train.weight_decay, 0.0, 10.0);
  map.number("clip", train.clip, 0.0, 1e9);
  map.number("beta1", train.beta1, 0.0, 0.999999);
  map.number("beta2", train.beta2, 0.0, 0.99999999);
  map.number("epsilon", train.epsilon, 0.0, 1.0);
  map.count("log_every", train.log_every, 1, 1'000'000'000);
  map.flag("recompute", train.recompute);
  read_groups(map.section("groups"), train.groups);
  if (const Node node = map.section("validation")) {
    node.interval("every", train.validation.every);
    node.count("tokens", train.validation.tokens, 1);
    node.finish();
  }
  if (const Node node = map.section("checkpoint")) {
    node.interval("every", train.checkpoint.every);
    node.count("keep_last", train.checkpoint.keep_last, 1, 1'000'000);
    node.count("keep_best", train.checkpoint.keep_best, 0, 1'000'000);
    node.finish();
  }
  read_early_stopping(map, train.early_stopping);
}

}  // namespace peryton
