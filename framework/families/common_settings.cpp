// SPDX-License-Identifier: Apache-2.0
#include "framework/families/common_settings.h"

#include <nlohmann/json.hpp>

#include "framework/core/error.h"

namespace peryton {

NamedActivation read_activation(const ConfigReader& reader, const std::string& key,
                                const std::string& fallback) {
  const std::string name = reader.text(key, fallback);
  const auto kind = activation_named(name);
  if (!kind) {
    reader.refuse(fmt::format("activation '{}' is not known here", name),
                  "known: gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, silu, relu");
  }
  return {name, *kind};
}

nlohmann::json special_ids(const nlohmann::json& config) {
  nlohmann::json ids = nlohmann::json::object();
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    if (config.contains(key)) ids[key] = config.at(key);
  }
  return ids;
}

std::int64_t default_heads(std::int64_t width) {
  for (const std::int64_t head : {64, 48, 32, 24, 16, 8}) {
    if (width % head == 0) return width / head;
  }
  return 1;
}

}  // namespace peryton
