// What the conformance suite asks of every family: models from golden folders, runs with and
// without gradients.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "framework/families/family.h"
#include "framework/families/registry.h"

namespace peryton::test {

// A folder of tests/golden/families: a model and what an independent implementation makes of it.
struct GoldenCase {
  std::string family, name;
  std::filesystem::path folder;
};
std::vector<GoldenCase> golden_cases();

std::unique_ptr<Component> load_golden(const GoldenCase& golden, DType dtype);
// The family's tiny model with fresh weights, all of which differ from what an initialisation
// leaves at 0 or 1, so that no path hides behind a neutral weight.
std::unique_ptr<Component> tiny_model(const Family& family, DType dtype, std::uint64_t seed);
std::unique_ptr<Component> tiny_model(const Family& family, const nlohmann::json& config,
                                      DType dtype, std::uint64_t seed);

// Everything trainable (or frozen) with zeroed gradients.
void set_trainable(const Component& component, bool trainable);

struct Evaluation {
  Tensor logits;                            // [B, T, vocabulary]
  std::vector<Tensor> hidden;               // after each block, [B, T, width]
  double loss = 0;                          // mean over the targets that are not negative
  std::map<std::string, Tensor> gradients;  // of the trainable parameters
};

// One pass over the whole batch; backward from the mean loss if anything is trainable.
Evaluation evaluate(Component& component, const TokenBatch& batch, const Tensor& targets,
                    int threads = 1);
// Logits only, without recording; continues `state` if there is one.
Tensor logits_of(Component& component, const TokenBatch& batch, ComponentState* state = nullptr);

// ids[b, t + 1], and -1 at the end of each row.
Tensor next_tokens(const Tensor& ids);
// Uniform random ids [rows, length].
Tensor random_ids(std::int64_t rows, std::int64_t length, std::int64_t vocabulary,
                  std::uint64_t seed);

}  // namespace peryton::test
