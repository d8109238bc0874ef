// A component that is a GGUF file.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "framework/core/error.h"
#include "framework/families/import.h"
#include "launch/pipeline/pipeline.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

class ImportComponents : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    fs::copy_file(kModel, folder_ / "m.gguf");
    config_.run.folder = folder_ / "run";
    config_.components.resize(2);
    config_.components[0].name = "neox";
    config_.components[0].from = (folder_ / "m.gguf").string();
    config_.components[1].name = "other";
    config_.components[1].from = folder_.string();
    config_.data.tokenizer.path = config_.components[0].from;
  }
  void TearDown() override { fs::remove_all(folder_); }

  const fs::path kModel = fs::path(PERYTON_GOLDEN_DIR) / "gguf" / "gptneox.gguf";
  const fs::path folder_ =
      fs::temp_directory_path() / ("peryton-import-" + std::to_string(::getpid()));
  RunConfig config_;
};

TEST_F(ImportComponents, BecomesAFolderOfTheRunOnce) {
  const RunConfig written = config_;
  import_components(config_, /*may_write=*/true);
  const fs::path made = folder_ / "run" / "imported" / "neox";
  EXPECT_EQ(config_.components[0].from, made);
  EXPECT_EQ(config_.data.tokenizer.path, made);
  EXPECT_EQ(config_.components[1].from, written.components[1].from);
  EXPECT_EQ(describe_component(made, all_families()).family, "gpt_neox");

  // Once more: the same folder; a changed file: made anew.
  const auto time = fs::last_write_time(made / "config.json");
  RunConfig again = written;
  import_components(again, /*may_write=*/false);
  EXPECT_EQ(again.components[0].from, made);
  EXPECT_EQ(fs::last_write_time(made / "config.json"), time);
  fs::last_write_time(folder_ / "m.gguf", fs::last_write_time(kModel) + std::chrono::hours(1));
  again = written;
  import_components(again, /*may_write=*/true);
  EXPECT_NE(fs::last_write_time(made / "config.json"), time);
}

TEST_F(ImportComponents, ADryRunWritesNothing) {
  EXPECT_THROW(import_components(config_, /*may_write=*/false), Error);
  EXPECT_FALSE(fs::exists(config_.run.folder));
}

}  // namespace
}  // namespace peryton
