// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/safetensors.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

class Score : public testing::Test {
 protected:
  Score() : folder_(fs::temp_directory_path() / ("peryton-score-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
  }
  ~Score() override { fs::remove_all(folder_); }

  int score(const fs::path& model, const fs::path& ids) {
    const std::string command =
        std::string(PERYTON_BINARY) + " score '" + model.string() + "' --ids '" + ids.string() +
        "' --logits '" + (folder_ / "out.safetensors").string() + "' > '" +
        (folder_ / "out").string() + "' 2> '" + (folder_ / "errors").string() + "'";
    return WEXITSTATUS(std::system(command.c_str()));
  }

  fs::path folder_;
};

TEST_F(Score, AgreesWithTransformers) {
  const fs::path root = fs::path(PERYTON_GOLDEN_DIR) / "families";
  for (const char* name :
       {"gpt_neox/sharded", "mamba2/mamba_ssm_defaults", "mamba2/legacy_infinity"}) {
    ASSERT_EQ(score(root / name, root / name / "ids.json"), 0) << read_file(folder_ / "errors");
    const auto loss = nlohmann::json::parse(read_file(folder_ / "out")).at("loss").get<double>();
    const auto expected = nlohmann::json::parse(read_file(root / name / "loss.json"));
    EXPECT_NEAR(loss, expected.at("loss").get<double>(), 1e-5) << name;
    const Tensor logits = SafetensorsFile::open(folder_ / "out.safetensors").load("logits");
    const Tensor golden =
        SafetensorsFile::open(root / name / "expected.safetensors").load("logits");
    EXPECT_LE(test::max_difference(logits, golden), 1e-4) << name;
  }
}

TEST_F(Score, BadIdsAreToldWithExitCodeTwo) {
  const fs::path model = fs::path(PERYTON_GOLDEN_DIR) / "families/gpt_neox/sharded";
  for (const char* text :
       {"[[1, 2], [3]]", "[1, 2]", "[[1, 100000]]", "[[1, \"a\"]]", "[[1,", "[]"}) {
    std::ofstream(folder_ / "ids.json") << text;
    EXPECT_EQ(score(model, folder_ / "ids.json"), 2) << text;
    EXPECT_NE(read_file(folder_ / "errors").find("ids.json"), std::string::npos) << text;
    EXPECT_FALSE(fs::exists(folder_ / "out.safetensors"));
  }
  EXPECT_EQ(score(folder_ / "nowhere", folder_ / "ids.json"), 2);
}

}  // namespace
}  // namespace peryton
