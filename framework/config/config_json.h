// The configuration as JSON, in the layout of the YAML: what resolved_yaml prints and hashes are
// made of.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "framework/config/run_config.h"

namespace peryton {

using OrderedJson = nlohmann::ordered_json;

OrderedJson to_json(const TrainConfig& train);
OrderedJson to_json(const AlphaConfig& alpha);
OrderedJson to_json(const HybridConfig& hybrid);
OrderedJson to_json(const ComponentConfig& component);
OrderedJson to_json(const DataSettings& data);
OrderedJson to_json(const StageConfig& stage);
OrderedJson to_json(const RunConfig& config);

// Block style YAML that parse_yaml reads back to the same values; short lists and maps in flow
// style.
std::string yaml_text(const OrderedJson& json);

}  // namespace peryton
