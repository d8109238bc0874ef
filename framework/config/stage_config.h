// One stage of the pipeline, complete: defaults filled in, `each:` expanded to one stage per model,
// names of other stages checked.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/config/hybrid_config.h"
#include "framework/config/train_config.h"

namespace peryton {

// data: learns or copies the tokenizer and writes token files; always there, always first, named
// "data".
enum class StageKind {
  kData,
  kPretrain,
  kFitProjectors,
  kTrainProjectors,
  kSearch,
  kDiscretise,
  kFinetune,
  kEvaluate,
  kGenerate,
  kExport
};

enum class MatchBy { kNothing, kTokens, kFlops };

// How long a stage trains. Exactly one of tokens, steps and match is set in a stage that has a
// budget.
struct BudgetConfig {
  std::int64_t tokens = 0;
  std::int64_t steps = 0;
  MatchBy match =
      MatchBy::kNothing;  // as many training tokens, or FLOPs, as the stages `of` spent together
  std::vector<std::string> of;  // stage names; their results are inputs of this stage
  bool operator==(const BudgetConfig&) const = default;
};

enum class SearchMode { kSingleLevel, kAlternating };

// A row of the evaluation table: one stage's model (or a component as it came), or the average of
// the probabilities of several.
struct EvaluationRow {
  std::string name;  // key in summary.json
  std::vector<std::string>
      models;  // stage names, or component names (the untrained-here component)
  bool operator==(const EvaluationRow&) const = default;
};

struct EvaluateConfig {
  std::vector<EvaluationRow> rows;  // the first is the one that the verdict is about
  std::string split = "test";       // train, validation, test
  std::int64_t tokens = 0;          // 0: all
  std::int64_t bootstrap = 1000;    // resamples of documents for the interval
  bool operator==(const EvaluateConfig&) const = default;
};

struct GenerateConfig {
  std::vector<std::string> models;   // stage names
  std::vector<std::string> prompts;  // empty: openings of test documents
  std::int64_t length = 64;          // new tokens
  double temperature = 0.0;          // 0: greedy
  std::int64_t top_k = 0;            // 0: off
  double top_p = 1.0;
  bool operator==(const GenerateConfig&) const = default;
};

// Ternary weights of an exported model: as they trained, as the family publishes packed models, or
// in the fewest bits, for Peryton alone.
enum class ExportWeights { kAsTrained, kPacked, kCompact };

inline const char* const kHybridModel = "hybrid";

struct StageConfig {
  std::string name;  // unique; folder stages/<name>
  StageKind kind = StageKind::kFinetune;
  std::string where;  // "my.yaml:31:5", for errors

  std::string model;  // kHybridModel or a component; empty for data, evaluate, generate and best_of
  // Instead of `model`: that of the stage among these with the lowest validation loss, trained
  // again from where that stage started (its own `after`).
  std::vector<std::string> best_of;
  // Stage whose result it starts from; empty: the component's source, or a fresh start.
  std::string after;
  // A hybrid's components: component -> stage whose result holds its weights. A component that is
  // not here comes from its source, or is fresh.
  std::map<std::string, std::string> component_stages;
  // Every stage whose folder it reads (the keys of StageContext::inputs): all of the above, what
  // those were made from, the budget's and the rows' stages, and "data".
  std::vector<std::string> needs;
  std::vector<std::string> budget_only;  // those of `needs` of which only the tokens or FLOPs count

  BudgetConfig budget;
  std::vector<std::string> train;              // groups that train; the rest is frozen
  TrainConfig settings;                        // lr, batch, ... complete
  std::optional<AlphaConfig> alpha;            // not set: α as the stage before left it
  SearchMode mode = SearchMode::kSingleLevel;  // search
  double ridge = 1e-4;  // fit_projectors: λ as a part of the mean diagonal of the Gram matrix
  EvaluateConfig evaluate;
  GenerateConfig generate;
  std::string to;                                     // export: folder, relative to the stage's own
  ExportWeights weights = ExportWeights::kAsTrained;  // export

  bool trains() const {
    return kind == StageKind::kPretrain || kind == StageKind::kTrainProjectors ||
           kind == StageKind::kSearch || kind == StageKind::kFinetune;
  }
  bool makes_model() const {
    return trains() || kind == StageKind::kFitProjectors || kind == StageKind::kDiscretise;
  }
};

}  // namespace peryton
