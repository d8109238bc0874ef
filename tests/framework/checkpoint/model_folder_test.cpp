// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/model_folder.h"

#include <gmock/gmock.h>

#include "framework/checkpoint/safetensors.h"
#include "tests/framework/checkpoint/goldens.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace testing_support;  // NOLINT: the helpers of this folder

class ModelFolderTest : public testing::Test {
 protected:
  ModelFolderTest() { put_file(scratch_ / "config.json", "{\"limit\": Infinity}\n"); }
  const std::vector<NamedTensor> a_ = {{"a", Tensor::full(DType::kFloat32, {2}, 1)}};
  const std::vector<NamedTensor> b_ = {{"b", Tensor::full(DType::kFloat32, {3}, 2)}};
  void write_shards() const {
    write_safetensors(scratch_ / "1.safetensors", a_);
    write_safetensors(scratch_ / "2.safetensors", b_);
    write_index({{"a", "1.safetensors"}, {"b", "2.safetensors"}});
  }
  void write_index(const nlohmann::json& map) const {
    put_file(scratch_ / "model.safetensors.index.json", nlohmann::json{{"weight_map", map}}.dump());
  }
  std::string error() const {
    return input_error_of([&] { ModelFolder::open(scratch_.path()); });
  }
  ScratchFolder scratch_;
};

TEST_F(ModelFolderTest, ShardsAndSingleFileAreTheSameModel) {
  write_shards();
  const ModelFolder sharded = ModelFolder::open(scratch_.path());
  EXPECT_THAT(sharded.names(), ElementsAre("a", "b"));
  EXPECT_EQ(sharded.load("b").values<float>()[2], 2.0f);
  EXPECT_TRUE(std::isinf(sharded.config()["limit"].get<double>()));
  const std::string hash = sharded.content_hash();
  write_safetensors(scratch_ / "model.safetensors", std::vector{b_[0], a_[0]});
  const ModelFolder single = ModelFolder::open(scratch_.path());
  EXPECT_EQ(single.weight_files().size(), 1u);
  EXPECT_EQ(single.content_hash(), hash);
}

TEST_F(ModelFolderTest, TorchFilesHashAsSafetensors) {
  fs::copy_file(golden("dtypes.bin"), scratch_ / "pytorch_model.bin");
  const std::string hash = ModelFolder::open(scratch_.path()).content_hash();
  fs::copy_file(golden("dtypes.safetensors"), scratch_ / "model.safetensors");
  EXPECT_EQ(ModelFolder::open(scratch_.path()).content_hash(), hash);
}

TEST_F(ModelFolderTest, MissingPieces) {
  EXPECT_THAT(error(), HasSubstr("has no weights"));
  write_shards();
  fs::remove(scratch_ / "2.safetensors");
  EXPECT_THAT(error(), HasSubstr("shard '2.safetensors', which is missing"));
  fs::remove(scratch_ / "config.json");
  EXPECT_THAT(error(), HasSubstr("no config.json"));
  EXPECT_THAT(input_error_of([&] { ModelFolder::open(scratch_ / "absent"); }), HasSubstr("absent"));
}

TEST_F(ModelFolderTest, BadIndex) {
  write_shards();
  write_index({{"a", "1.safetensors"}, {"b", "1.safetensors"}});
  EXPECT_THAT(error(), HasSubstr("'b' is not in its shard"));
  write_index({{"a", "../1.safetensors"}});
  EXPECT_THAT(error(), HasSubstr("not a file name"));
  write_index({{"a", 3}});
  EXPECT_THAT(error(), HasSubstr("not a file name"));
  write_index(nlohmann::json::object());
  EXPECT_THAT(error(), HasSubstr("no weight_map"));
  put_file(scratch_ / "model.safetensors.index.json", "[]");
  EXPECT_THAT(error(), HasSubstr("no weight_map"));
  write_safetensors(scratch_ / "2.safetensors", std::vector{a_[0], b_[0]});
  write_index({{"a", "1.safetensors"}, {"b", "2.safetensors"}});
  EXPECT_THAT(error(), HasSubstr("stands in two shards"));
}

TEST_F(ModelFolderTest, Tokenizer) {
  write_shards();
  EXPECT_FALSE(ModelFolder::open(scratch_.path()).has_tokenizer());
  put_file(scratch_ / "tokenizer.json", "{}");
  EXPECT_EQ(ModelFolder::open(scratch_.path()).tokenizer(), scratch_ / "tokenizer.json");
}

TEST_F(ModelFolderTest, BrokenConfigNamesTheLine) {
  write_shards();
  put_file(scratch_ / "config.json", "{\n  \"a\": ,\n}");
  EXPECT_THAT(error(), HasSubstr("config.json:2"));
}

}  // namespace
}  // namespace peryton
