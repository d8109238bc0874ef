// The number of data-parallel ranks, and of threads, does not change what is trained.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "framework/checkpoint/files.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

// Every kind of training stage on tiny models; 50 steps where the losses of ranks are compared.
constexpr const char* kPipeline = R"(
run: {name: ranks}
data:
  sources: [{path: /usr/share/common-licenses/GPL-3, documents: blank_line}]
  split: {by: document, validation: 10%, test: 10%}
  tokenizer: byte
components:
  neox: {family: gpt_neox, width: 16, layers: 2, heads: 2}
  mamba: {family: mamba2, width: 16, layers: 2}
hybrid: {segments: 2}
train: {sequence: 32, global_batch: 8, lr: 3e-3, validation: {every: 50%, tokens: 1k}}
stages:
  - {kind: pretrain, each: [neox, mamba], steps: 10}
  - {kind: fit_projectors, tokens: 2k}
  - {kind: search, steps: 50, alpha: {method: gumbel, lr: 2e-2}}
)";

class Ranks : public testing::Test {
 protected:
  Ranks() : folder_(fs::temp_directory_path() / ("peryton-ranks-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
    std::ofstream(folder_ / "ranks.yaml") << kPipeline;
  }
  ~Ranks() override { fs::remove_all(folder_); }

  // Losses of the search, step by step.
  std::vector<double> losses(const std::string& name, const std::string& settings) {
    const std::string command = std::string(PERYTON_BINARY) + " run '" +
                                (folder_ / "ranks.yaml").string() + "' --set run.folder='" +
                                (folder_ / name).string() + "' " + settings + " > '" +
                                (folder_ / "log").string() + "' 2>&1";
    const int status = std::system(command.c_str());
    EXPECT_EQ(status, 0) << read_file(folder_ / "log");
    std::ifstream metrics(folder_ / name / "stages/search/metrics.jsonl");
    std::vector<double> values;
    for (std::string line; std::getline(metrics, line);) {
      values.push_back(nlohmann::json::parse(line).at("loss"));
    }
    return values;
  }

  fs::path folder_;
};

TEST_F(Ranks, LossesAgreeForOneTwoAndFour) {
  const auto one = losses("one", "--set parallel.data=1");
  ASSERT_EQ(one.size(), 50u);
  for (const char* count : {"2", "4"}) {
    const auto several = losses(count, std::string("--set parallel.data=") + count);
    ASSERT_EQ(several.size(), one.size());
    for (std::size_t i = 0; i < one.size(); ++i) {
      EXPECT_LE(std::abs(several[i] - one[i]), 1e-6 * one[i]) << count << " ranks, step " << i + 1;
    }
  }
}

TEST_F(Ranks, ThreadsChangeNoBit) {
  const auto one = losses("thread", "--set parallel.threads=1");
  EXPECT_EQ(one, losses("threads", "--set parallel.threads=2"));
  EXPECT_EQ(read_file(folder_ / "thread/stages/search/model/hybrid.safetensors"),
            read_file(folder_ / "threads/stages/search/model/hybrid.safetensors"));
}

}  // namespace
}  // namespace peryton
