// A Hugging Face (or mamba_ssm) model folder: config.json and weights in model.safetensors, in
// shards with model.safetensors.index.json, in pytorch_model.bin, or in its shards; the first of
// these that is there.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "framework/checkpoint/tensor_file.h"

namespace peryton {

class ModelFolder {
 public:
  // Missing files, damaged files, an index that names an absent file or tensor: the user's error.
  static ModelFolder open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config_path() const { return path_ / "config.json"; }
  const nlohmann::json& config() const { return config_; }
  std::vector<std::string> names() const;  // sorted, of all shards together
  const StoredTensor& info(const std::string& name) const { return file_of(name).info(name); }
  Tensor load(const std::string& name, std::optional<DType> as = std::nullopt) const {
    return file_of(name).load(name, as);
  }
  bool has_tokenizer() const { return tokenizer().has_value(); }
  std::optional<std::filesystem::path> tokenizer() const;  // tokenizer.json
  // Names, dtypes, shapes and bytes of the tensors as stored; how they are spread over files does
  // not count. Reads every byte on the first call.
  const std::string& content_hash() const;
  const std::vector<std::filesystem::path>& weight_files() const { return weight_files_; }

 private:
  const TensorFile& file_of(const std::string& name) const;

  std::filesystem::path path_;
  nlohmann::json config_;
  std::vector<std::filesystem::path> weight_files_;
  std::vector<std::unique_ptr<TensorFile>> files_;
  std::map<std::string, std::size_t> file_of_name_;
  mutable std::string content_hash_;
};

}  // namespace peryton
