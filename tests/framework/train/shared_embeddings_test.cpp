// A table that components share is saved once, found again by a resume, and exported for each.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/config/run_config.h"
#include "framework/train/model_store.h"
#include "tests/framework/train/stage_support.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

constexpr const char* kNeox = "components.neox.gpt_neox.embed_in.weight";
constexpr const char* kMamba = "components.mamba.backbone.embeddings.weight";

class SharedEmbeddings : public testing::Test {
 protected:
  SharedEmbeddings() : runner_("shared") {
    const auto neox = runner_.component(
        "neox", "gpt_neox", {{"width", 16}, {"layers", 2}, {"heads", 2}, {"vocabulary", 40}}, 1);
    const auto mamba =
        runner_.component("mamba", "mamba2", {{"width", 16}, {"layers", 2}, {"vocabulary", 50}}, 2);
    config_ = parse_run_config(
        "run: {name: shared}\n"
        "data:\n"
        "  sources: [{path: /usr/share/common-licenses/GPL-3, "
        "documents: blank_line}]\n"
        "  split: {by: document, validation: 10%}\n"
        "  tokenizer: byte\n"
        "components:\n"
        "  neox: {from: '" +
            neox.string() + "'}\n  mamba: {from: '" + mamba.string() +
            "'}\n"
            "hybrid: {segments: 2, embeddings: shared}\n"
            "train: {sequence: 16, global_batch: 2, lr: 1e-2, "
            "validation: {every: 0}}\n"
            "stages:\n"
            "  - {kind: search, steps: 6, train: [alpha, projectors, "
            "embeddings], alpha: {method: softmax}}\n"
            "  - {kind: export, to: hf}\n",
        "shared.yaml");
  }
  StageResult run(const std::string& stage, const std::string& where, bool stop = false) {
    return runner_.run(config_, stage, where, *world_, stop);
  }
  std::filesystem::path model(const std::string& run) const {
    return runner_.folder() / run / "search/model";
  }

  test::StageRunner runner_;
  RunConfig config_;
  std::unique_ptr<Communicator> world_ = self_communicator();
};

TEST_F(SharedEmbeddings, ResumeBitForBitAndLoadAgain) {
  for (const char* where : {"whole", "stopped"}) run("data", where);
  run("search", "whole");
  EXPECT_EQ(run("search", "stopped", /*stop=*/true).status, StageStatus::kStopped);
  const StageResult resumed = run("search", "stopped");
  EXPECT_EQ(resumed.resumed_from, 1);
  EXPECT_EQ(resumed.steps, 6);
  EXPECT_EQ(read_file(model("whole") / "hybrid.safetensors"),
            read_file(model("stopped") / "hybrid.safetensors"));

  const SafetensorsFile saved = SafetensorsFile::open(model("whole") / "hybrid.safetensors");
  ASSERT_TRUE(saved.contains(kNeox));
  EXPECT_FALSE(saved.contains(kMamba)) << "one table, one tensor";
  const StoredModel loaded = load_model(model("whole"), all_families());
  const ParameterPtr held = loaded.hybrid->parts()[0].component->embedding();
  EXPECT_EQ(loaded.hybrid->parts()[1].component->embedding()->same_as, held);
  EXPECT_TRUE(test::bitwise_equal(held->value, saved.load(kNeox)));

  // Loaded and saved again, it is the one table still.
  save_model(loaded, runner_.folder() / "again");
  const auto again = SafetensorsFile::open(runner_.folder() / "again/hybrid.safetensors");
  EXPECT_EQ(again.names(), saved.names());
  EXPECT_TRUE(test::bitwise_equal(again.load(kNeox), saved.load(kNeox)));
}

TEST_F(SharedEmbeddings, TheExportHasTheTableForEveryComponent) {
  for (const char* stage : {"data", "search", "export"}) run(stage, "run");
  const auto folder = runner_.folder() / "run/export/hf";
  const SafetensorsFile exported = SafetensorsFile::open(folder / "model.safetensors");
  const SafetensorsFile saved = SafetensorsFile::open(model("run") / "hybrid.safetensors");
  const Tensor table = saved.load(kNeox);
  EXPECT_TRUE(test::bitwise_equal(exported.load(kNeox), table));
  EXPECT_TRUE(test::bitwise_equal(exported.load(kMamba), table));
  const auto config = nlohmann::json::parse(read_file(folder / "config.json"));
  for (const auto& component : config.at("components")) {
    EXPECT_EQ(component.at("config").at("vocab_size"), 257) << component.at("name");
    EXPECT_EQ(component.at("config").at("tie_word_embeddings"), true) << component.at("name");
  }
}

}  // namespace
}  // namespace peryton
