// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "framework/config/node.h"
#include "launch/pipeline/pipeline.h"

namespace peryton {
namespace {

bool is_hub_id(const std::string& text) {
  return text.find('/') != std::string::npos && text.front() != '/' && text.front() != '.';
}

}  // namespace

void check_inputs(const RunConfig& config) {
  Mistakes mistakes;
  for (const SourceSettings& source : config.data.sources) {
    if (!std::filesystem::exists(source.path)) {
      mistakes.add(source.where, "there is no file or folder '" + source.path + "'",
                   "paths are seen from the folder in which peryton runs");
    }
  }
  const TokenizerSettings& tokenizer = config.data.tokenizer;
  const bool loads = tokenizer.kind == TokenizerSettings::Kind::kLoad;
  if (loads && !is_hub_id(tokenizer.path) && !std::filesystem::exists(tokenizer.path)) {
    mistakes.add(tokenizer.where, "there is no tokenizer at '" + tokenizer.path + "'");
  }
  for (const ComponentConfig& component : config.components) {
    if (!component.pretrained() || is_hub_id(component.from)) continue;
    if (!std::filesystem::exists(component.from)) {
      mistakes.add(component.where, "there is no folder '" + component.from + "'",
                   "'from' is a folder with config.json and model.safetensors, or a GGUF file");
    }
  }
  mistakes.throw_if_any();
}

}  // namespace peryton
