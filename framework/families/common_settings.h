// Readings that several families share.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "framework/families/config_reader.h"
#include "framework/ops/activation.h"

namespace peryton {

struct NamedActivation {
  std::string name;  // as in config.json
  Activation kind = Activation::kGeluErf;
};

// An unknown one is the user's error, with the known ones.
NamedActivation read_activation(const ConfigReader& reader, const std::string& key,
                                const std::string& fallback);

// bos_token_id, eos_token_id and pad_token_id, as found: an object to write back.
nlohmann::json special_ids(const nlohmann::json& config);

// Heads of 64 elements, or of the next smaller usual size that divides the width.
std::int64_t default_heads(std::int64_t width);

}  // namespace peryton
