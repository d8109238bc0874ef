// SPDX-License-Identifier: Apache-2.0
#include "framework/train/metrics/jsonl.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "framework/core/error.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

class JsonlTest : public testing::Test {
 protected:
  JsonlTest() {
    folder_ = fs::temp_directory_path() / fmt::format("peryton-jsonl-{}", ::getpid());
    fs::create_directories(folder_);
    path_ = folder_ / "metrics.jsonl";
  }
  ~JsonlTest() override { fs::remove_all(folder_); }

  std::string content() const {
    std::ifstream file(path_, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void put(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }

  fs::path folder_, path_;
};

StepMetrics step(int64_t number, double loss = 1.5) {
  StepMetrics metrics;
  metrics.step = number;
  metrics.tokens = 64 * number;
  metrics.loss = loss;
  return metrics;
}

TEST_F(JsonlTest, LineHoldsEveryFigureAndDoublesReadBackBitForBit) {
  StepMetrics metrics = step(3, 0.1 + 0.2);
  metrics.learning_rate = {{"alpha", 1e-2}, {"projectors", 3e-4}};
  metrics.gradient_norm = {{"alpha", 1.0 / 3}};
  metrics.tokens_per_second = 1000;
  metrics.model_flop_utilisation = 0.25;
  metrics.memory_bytes = 1 << 20;
  metrics.alpha = {{0.25, 0.75}, {1, 0}};
  metrics.extra = {{"validation_loss", 2.0 / 3}};
  const auto read = nlohmann::json::parse(metrics_line(metrics));
  EXPECT_EQ(read["step"], 3);
  EXPECT_EQ(read["tokens"], 192);
  EXPECT_EQ(read["loss"].get<double>(), 0.1 + 0.2);
  EXPECT_EQ(read["learning_rate"]["projectors"].get<double>(), 3e-4);
  EXPECT_EQ(read["gradient_norm"]["alpha"].get<double>(), 1.0 / 3);
  EXPECT_EQ(read["tokens_per_second"].get<double>(), 1000);
  EXPECT_EQ(read["model_flop_utilisation"].get<double>(), 0.25);
  EXPECT_EQ(read["memory_bytes"], 1 << 20);
  EXPECT_EQ(read["alpha"][0][1].get<double>(), 0.75);
  EXPECT_EQ(read["validation_loss"].get<double>(), 2.0 / 3);
}

TEST_F(JsonlTest, WhatIsNotFiniteBecomesNull) {
  const auto line = metrics_line(step(1, std::numeric_limits<double>::quiet_NaN()));
  EXPECT_TRUE(nlohmann::json::parse(line)["loss"].is_null());
}

TEST_F(JsonlTest, ResumedRunLogsEachStepOnce) {
  {
    JsonlWriter writer(path_, 0);
    for (int i = 1; i <= 5; ++i) writer.write(step(i));
    writer.flush();
  }
  const std::string uninterrupted = content();
  {
    JsonlWriter writer(path_, 3);
    for (int i = 4; i <= 5; ++i) writer.write(step(i));
  }
  EXPECT_EQ(content(), uninterrupted);
}

TEST_F(JsonlTest, TornLastLineIsDroppedEvenIfItsStepWouldStay) {
  const std::string whole = metrics_line(step(1)) + "\n";
  const std::string second = metrics_line(step(2));
  for (size_t length = 1; length <= second.size(); ++length) {
    put(whole + second.substr(0, length));
    cut_back_metrics(path_, 2);
    ASSERT_EQ(content(), whole) << "torn after " << length << " bytes";
  }
}

TEST_F(JsonlTest, FreshStartEmptiesAnOldFile) {
  put(metrics_line(step(1)) + "\n");
  const JsonlWriter writer(path_, 0);
  EXPECT_EQ(content(), "");
}

TEST_F(JsonlTest, MissingFolderIsASystemError) {
  try {
    JsonlWriter writer(folder_ / "none" / "metrics.jsonl", 0);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kSystem);
  }
}

}  // namespace
}  // namespace peryton
