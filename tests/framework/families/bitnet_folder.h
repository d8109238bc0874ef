// Golden folders of BitNet, and copies of them to spoil.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/model_folder.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/families/import.h"
#include "tests/support/conformance.h"
#include "tests/support/finite_difference.h"

namespace peryton::test {

namespace fs = std::filesystem;

inline fs::path bitnet_golden(const std::string& name) {
  return fs::path(PERYTON_GOLDEN_DIR) / "families/bitnet" / name;
}

// A model folder that the test may spoil.
class BitnetFolder {
 public:
  explicit BitnetFolder(const std::string& from)
      : path_(fs::temp_directory_path() / fmt::format("peryton-bitnet-{}-{}", from, getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
    for (const char* name : {"config.json", "model.safetensors"}) {
      fs::copy_file(bitnet_golden(from) / name, path_ / name);
    }
  }
  ~BitnetFolder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

  template <class F>
  void edit_config(F&& edit) const {
    nlohmann::json config = nlohmann::json::parse(std::ifstream(path_ / "config.json"));
    edit(config);
    std::ofstream(path_ / "config.json") << config.dump();
  }
  template <class F>
  void edit_tensor(const std::string& name, F&& edit) const {
    const ModelFolder folder = ModelFolder::open(path_);
    std::vector<NamedTensor> tensors;
    for (const std::string& each : folder.names()) {
      tensors.push_back({each, folder.load(each)});
      if (each == name) edit(tensors.back().value);
    }
    write_safetensors(path_ / "new.safetensors", tensors);
    fs::rename(path_ / "new.safetensors", path_ / "model.safetensors");
  }
  LoadedComponent load() const { return load_component(path_, all_families(), DType::kFloat32); }
  std::string refusal() const {
    try {
      load();
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      return error.what();
    }
    return "";
  }

 private:
  fs::path path_;
};

inline double error_against(const std::string& name, Component& component) {
  const auto expected = SafetensorsFile::open(bitnet_golden(name) / "expected.safetensors");
  return max_difference(logits_of(component, {expected.load("ids"), {}, 0}),
                        expected.load("logits"));
}

inline constexpr const char* kQuery = "model.layers.1.self_attn.q_proj.weight";
inline const std::vector<std::string> kPackedCases{"packed_scale_multiplies",
                                                   "packed_scale_divides"};

}  // namespace peryton::test
