// What is joined and how: the `components:` and `hybrid:` sections, and α wherever it is set.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace peryton {

// Either `from` (a Hugging Face folder, absolute; or a hub id found in the local cache) or `family`
// with settings for Family::config_from_settings is set.
struct ComponentConfig {
  std::string name;
  std::string from;
  std::string family;
  nlohmann::json settings =
      nlohmann::json::object();  // all other keys, e.g. {"width": 192, "layers": 4}
  std::string
      tokenizer;  // name of the component whose tokenizer it shares; empty: its own or the data's
  std::string where;  // "my.yaml:12:3", for errors

  bool pretrained() const { return !from.empty(); }
};

enum class AlphaMethod { kSoftmax, kGumbel, kSimplex, kFixed };

// α of the hybrid, or a stage's change of it. `values` wins over `uniform`; with neither, α goes on
// from the stage before (uniform at the start).
struct AlphaConfig {
  AlphaMethod method = AlphaMethod::kSoftmax;
  double lr = 1e-2;
  double temperature = 1.0;  // softmax and gumbel
  std::vector<std::vector<double>>
      values;            // one row per segment, or one row for all; rows sum to 1
  bool uniform = false;  // start from 1/K everywhere
  bool operator==(const AlphaConfig&) const = default;
};

enum class GateKind { kManticore, kTransition };
// keep: each component's own embedding and head; fresh: a new table for each, heads tied to it;
// shared: one new table for all, which then have one width.
enum class EmbeddingMode { kKeep, kFresh, kShared };
enum class ProjectorVariant { kDefault, kLinear, kLinearSkip, kTwoLayer, kTwoLayerSkip };
// How projectors start before any fit: as their variant says (hybrids: default random, linear
// identity), all random, or (rectangular) identity.
enum class ProjectorInit { kVariant, kRandom, kIdentity };
enum class Fidelity { kOurs, kReleasedCode };

struct HybridConfig {
  std::vector<std::string> components;  // in order of α's columns; default: all of `components:`
  std::int64_t segments = 4;
  std::int64_t width = 0;  // of the shared space; 0: the widest component's
  GateKind gate = GateKind::kTransition;
  EmbeddingMode embeddings = EmbeddingMode::kKeep;
  ProjectorVariant projectors = ProjectorVariant::kLinear;
  ProjectorInit projector_init = ProjectorInit::kVariant;
  Fidelity fidelity = Fidelity::kOurs;
  AlphaConfig alpha{
      .method = AlphaMethod::kFixed, .values = {}, .uniform = true};  // before any stage sets it
  bool operator==(const HybridConfig&) const = default;
};

}  // namespace peryton
