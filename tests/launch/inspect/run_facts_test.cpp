// SPDX-License-Identifier: Apache-2.0
#include "launch/inspect/run_facts.h"

#include <gmock/gmock.h>

#include "framework/checkpoint/checkpoint.h"
#include "tests/framework/checkpoint/support.h"

namespace peryton {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using namespace testing_support;  // NOLINT: scratch folders and errors as text

constexpr const char* kHybrid = R"({"components": [{"name": "neox", "folder": "../../a/model"},
  {"name": "mamba", "folder": "/m"}], "alpha": [[0.25, 0.75], [1, 0]], "width": 64,
  "vocabulary": 300, "gate": "transition"})";

TEST(RunFacts, EveryStageIsNamed) {
  const ScratchFolder scratch;
  std::filesystem::create_directories(scratch / "stages/search/model");
  std::filesystem::create_directories(scratch / "stages/evaluate");
  std::filesystem::create_directories(scratch / "stages/broken/model");
  put_file(scratch / "stages/search/model/hybrid.json", kHybrid);
  ASSERT_TRUE(is_run_folder(scratch.path()));
  EXPECT_THAT(run_text(scratch.path(), FamilyRegistry()),
              AllOf(HasSubstr("stage search\n"), HasSubstr("component   neox from ../../a/model"),
                    HasSubstr("alpha 0     0.250 0.750\n"), HasSubstr("stage evaluate\n  no model"),
                    HasSubstr("stage broken\n  cannot be read")));
}

TEST(RunFacts, Checkpoint) {
  const ScratchFolder scratch;
  CheckpointStore store(scratch.path());
  const std::vector<NamedTensor> tensors = {{"w", Tensor::zeros(DType::kFloat32, {3, 2})}};
  store.save(7, tensors, {{{"step", 7}}, 1.25, {}});
  ASSERT_TRUE(is_checkpoint_folder(store.folder_of(7)));
  EXPECT_FALSE(is_checkpoint_folder(scratch.path()));
  EXPECT_THAT(checkpoint_text(store.folder_of(7)),
              AllOf(HasSubstr("step 7, metric 1.25"), HasSubstr("1 of 6 values")));
  put_file(store.folder_of(7) / "state.json", "{}");
  EXPECT_THAT(input_error_of([&] { checkpoint_text(store.folder_of(7)); }),
              HasSubstr("state.json"));
}

TEST(RunFacts, DamagedHybridIsTheUsersError) {
  const ScratchFolder scratch;
  put_file(scratch / "hybrid.json", "{\"alpha\": []}");
  EXPECT_THAT(input_error_of([&] { hybrid_text(scratch.path()); }), HasSubstr("hybrid.json"));
}

}  // namespace
}  // namespace peryton
