// Typed reading of the metadata that belong to an architecture.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "framework/checkpoint/gguf.h"

namespace peryton::gguf {

// Keys are given without the architecture's name in front. What is missing or impossible is the
// user's error and names the key.
class Settings {
 public:
  Settings(const GgufFile& file, std::string architecture)
      : file_(file), prefix_(std::move(architecture) + ".") {}

  const GgufFile& file() const { return file_; }
  bool has(const std::string& key) const { return file_.has(prefix_ + key); }
  std::int64_t count(const std::string& key) const;  // positive, required
  std::int64_t count(const std::string& key, std::int64_t fallback) const;
  // Stored as float32: the shortest decimal that gives the same float32, 1e-5 and not 9.99...e-6.
  double number(const std::string& key, double fallback) const;
  double number(const std::string& key) const;  // required
  std::string text(const std::string& key, const std::string& fallback) const;
  bool flag(const std::string& key, bool fallback) const;

  std::int64_t vocabulary() const;  // rows of the embedding
  bool tied() const;                // no head of its own

 private:
  const GgufFile& file_;
  std::string prefix_;
};

// model_type, architectures, vocabulary, tying and the ids of special tokens: what every
// config.json has.
nlohmann::json common_config(const Settings& settings, const char* model_type,
                             const char* class_name);

}  // namespace peryton::gguf
