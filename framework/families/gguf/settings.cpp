// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gguf/settings.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"

namespace peryton::gguf {

std::int64_t Settings::count(const std::string& key, std::int64_t fallback) const {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  const std::int64_t value = file_.integer(prefix_ + key).value_or(fallback);
  if (value < 1 || value > kMost) {
    fail_input(fmt::format("is {}, not a useful count", value), file_.place_of(prefix_ + key));
  }
  return value;
}

std::int64_t Settings::count(const std::string& key) const {
  if (!has(key)) fail_input(fmt::format("has no '{}{}'", prefix_, key), file_.where());
  return count(key, 1);
}

double Settings::number(const std::string& key, double fallback) const {
  const std::string full = prefix_ + key;
  const double value = file_.number(full).value_or(fallback);
  if (!std::isfinite(value)) fail_input("is not a finite number", file_.place_of(full));
  if (!has(key) || file_.metadata().at(full).type() != GgufValueType::kFloat32) return value;
  return std::stod(fmt::format("{}", static_cast<float>(value)));
}

double Settings::number(const std::string& key) const {
  if (!has(key)) fail_input(fmt::format("has no '{}{}'", prefix_, key), file_.where());
  return number(key, 0);
}

std::string Settings::text(const std::string& key, const std::string& fallback) const {
  return file_.text(prefix_ + key).value_or(fallback);
}

bool Settings::flag(const std::string& key, bool fallback) const {
  return file_.integer(prefix_ + key).value_or(fallback) != 0;
}

std::int64_t Settings::vocabulary() const {
  const GgufTensor& table = file_.tensor("token_embd.weight");
  if (table.shape.size() != 2) fail_input("token_embd.weight is not a matrix", file_.where());
  return table.shape[0];
}

bool Settings::tied() const { return file_.tensors().count("output.weight") == 0; }

nlohmann::json common_config(const Settings& settings, const char* model_type,
                             const char* class_name) {
  nlohmann::json config;
  config["architectures"] = {class_name};
  config["model_type"] = model_type;
  config["vocab_size"] = settings.vocabulary();
  config["tie_word_embeddings"] = settings.tied();
  for (const char* name : {"bos", "eos"}) {
    const auto id = settings.file().integer(fmt::format("tokenizer.ggml.{}_token_id", name));
    config[fmt::format("{}_token_id", name)] = id ? nlohmann::json(*id) : nlohmann::json();
  }
  const auto padding = settings.file().integer("tokenizer.ggml.padding_token_id");
  if (padding) config["pad_token_id"] = *padding;
  return config;
}

}  // namespace peryton::gguf
