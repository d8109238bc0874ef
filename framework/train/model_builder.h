// The model that a stage starts from.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/train/model_store.h"
#include "framework/train/stage.h"

namespace peryton {

// What the stage trains: `model`, or the model of the best of `best_of`.
std::string model_name(const StageContext& context);

// config.json of a component that the configuration describes; without a vocabulary of its own it
// has the run's.
nlohmann::json fresh_config(const ComponentConfig& component, const Family& family,
                            std::int64_t vocabulary);
// Whether the stage makes this component new.
bool is_fresh(const StageContext& context, const std::string& model);

// The folder with a component's weights as the hybrid finds them: its `from`, or what its pretrain
// stage wrote.
std::filesystem::path component_folder(const StageContext& context, const std::string& component);

// The result of `after`, or a component from its source, or a fresh component (pretrain), or a new
// hybrid with initialised projectors; alpha as the stage sets it. `vocabulary`: entries of the
// run's tokenizer. Frozen ternary weights of a hybrid are packed already (model_store.h).
StoredModel build_model(const StageContext& context, const FamilyRegistry& registry, DType dtype,
                        std::int64_t vocabulary);

// A new hybrid over the run's components, projectors initialised as configured.
StoredModel new_hybrid(const StageContext& context, const FamilyRegistry& registry, DType dtype,
                       std::int64_t vocabulary);

// What the configuration says of a hybrid, and its alpha in a stage that starts from `present`.
HybridOptions hybrid_options(const HybridConfig& config, std::int64_t vocabulary, DType dtype);
ArchitectureWeights stage_alpha(const RunConfig& config, const StageConfig& stage,
                                const std::vector<std::vector<double>>& present, DType dtype);
// Of a new hybrid, before any stage sets it.
std::vector<std::vector<double>> initial_alpha(const HybridConfig& config);

ProjectorStart projector_start(ProjectorInit init);

// Marks as trainable exactly the parameters of the stage's `train` groups. A group that the model
// does not have is the user's error.
void freeze_for_stage(const StageContext& context, const StoredModel& stored);

}  // namespace peryton
