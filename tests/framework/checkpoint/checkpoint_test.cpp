// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "framework/checkpoint/retention.h"
#include "tests/framework/checkpoint/support.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace testing_support;  // NOLINT: the helpers of this folder

std::vector<NamedTensor> tensors_of(std::int64_t step) {
  return {{"w", Tensor::full(DType::kFloat32, {50, 20}, static_cast<double>(step))},
          {"m", Tensor::full(DType::kBFloat16, {3}, static_cast<double>(step))}};
}

void save(CheckpointStore& store, std::int64_t step, std::optional<double> metric = {},
          std::vector<std::int64_t> refers_to = {}) {
  store.save(step, tensors_of(step), {{{"step", step}, {"losses", {1.5, 0.1}}}, metric, refers_to});
}

// The latest checkpoint is `step` with all that save() put into it.
void expect_latest(const CheckpointStore& store, std::int64_t step) {
  const auto latest = store.latest();
  ASSERT_TRUE(latest.has_value());
  EXPECT_EQ(latest->step(), step);
  EXPECT_EQ(latest->state()["step"], step);
  EXPECT_EQ(latest->state()["losses"][1].get<double>(), 0.1);
  EXPECT_THAT(latest->names(), ElementsAre("m", "w"));
  const Tensor w = latest->load("w");
  EXPECT_EQ(w.shape(), (Shape{50, 20}));
  EXPECT_EQ(w.values<float>()[999], static_cast<float>(step));
}

TEST(CheckpointStore, SavesAndLoads) {
  const ScratchFolder scratch;
  CheckpointStore store(scratch / "checkpoints");
  EXPECT_FALSE(store.latest().has_value());
  save(store, 120, 2.5);
  EXPECT_TRUE(fs::exists(scratch / "checkpoints/step-0000120/manifest.json"));
  expect_latest(store, 120);
  EXPECT_EQ(store.latest()->metric(), 2.5);
  EXPECT_THAT(input_error_of([&] { store.latest()->load("absent"); }), HasSubstr("'absent'"));
}

TEST(CheckpointStore, SeveralPartsAndEqualHashes) {
  const ScratchFolder scratch;
  CheckpointStore store(scratch.path());
  for (const std::int64_t step : {1, 2}) {
    store.begin(step);
    store.write_part(step, "rank-0", std::vector<NamedTensor>{tensors_of(7)[0]});
    store.write_part(step, "rank-1", std::vector<NamedTensor>{tensors_of(7)[1]});
    store.commit(step, {{{"step", step}}, {}, {}});
  }
  EXPECT_THAT(store.latest()->names(), ElementsAre("m", "w"));
  EXPECT_EQ(Checkpoint::open(store.folder_of(1)).content_hash(), store.latest()->content_hash());
}

TEST(CheckpointStore, RetentionKeepsLastBestAndWhatTheyReferTo) {
  const ScratchFolder scratch;
  CheckpointStore store(scratch.path(), {2, 1, {}});
  save(store, 1, 9.0);
  save(store, 2, 1.0, {1});  // the best; refers to 1
  store.protect({3});
  for (const std::int64_t step : {3, 4, 5, 6}) save(store, step, 5.0 + static_cast<double>(step));
  EXPECT_THAT(store.steps(), ElementsAre(1, 2, 3, 5, 6));
  EXPECT_EQ(store.best()->step(), 2);
}

TEST(Retention, FollowsReferencesAndCycles) {
  const std::vector<CheckpointManifest> chain = {
      {1, {}, {3}, {}}, {2, {}, {}, {}}, {3, {}, {1}, {}}, {4, {}, {3, 99}, {}}};
  EXPECT_THAT(steps_to_delete(chain, 1, 0, {}), ElementsAre(2));
  EXPECT_THAT(steps_to_delete(chain, 4, 0, {}), IsEmpty());
}

TEST(CheckpointStore, DamagedFilesArePassedOver) {
  const ScratchFolder scratch;
  CheckpointStore store(scratch.path(), {3, 0, {}});
  save(store, 1);
  save(store, 2);
  for (const auto& entry : fs::directory_iterator(store.folder_of(2))) {
    SCOPED_TRACE(entry.path());
    const std::string whole = read_file(entry.path());
    for (const std::size_t at : {std::size_t{0}, whole.size() / 2, whole.size() - 2}) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ 0x04);
      put_file(entry.path(), flipped);
      expect_latest(store, 1);
      put_file(entry.path(), whole.substr(0, at));
      expect_latest(store, 1);
    }
    fs::remove(entry.path());
    expect_latest(store, 1);
    put_file(entry.path(), whole);
    expect_latest(store, 2);
  }
}

TEST(CheckpointStore, DamagedOneIsWrittenAgain) {
  const ScratchFolder scratch;
  CheckpointStore store(scratch.path(), {2, 0, {}});
  save(store, 1);
  save(store, 2);
  put_file(store.folder_of(2) / "state.json", "{}");
  expect_latest(store, 1);
  save(store, 2);
  expect_latest(store, 2);
  EXPECT_THAT(store.steps(), ElementsAre(1, 2));
}

TEST(CheckpointStore, DamagedOnesDoNotPushOutGoodOnes) {
  const ScratchFolder scratch;
  CheckpointStore store(scratch.path(), {2, 0, {}});
  save(store, 1);
  save(store, 8);
  save(store, 9);
  fs::remove(store.folder_of(8) / "manifest.json");
  fs::remove(store.folder_of(9) / "tensors.safetensors");
  save(store, 2);
  save(store, 3);
  EXPECT_THAT(store.steps(), ElementsAre(2, 3, 8, 9));
  expect_latest(store, 3);
}

// Runs `body` in a child process and returns its wait status.
int in_child(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

// Counts the points of a save that replaces a damaged checkpoint and deletes an old one, then dies
// at each in turn.
void die_at_every_point(const std::function<void(CheckpointStore&)>& prepare, std::int64_t old_step,
                        std::int64_t new_step) {
  std::vector<std::string> points;
  {
    const ScratchFolder scratch;
    CheckpointStore plain(scratch.path(), {2, 0, {}});
    prepare(plain);
    CheckpointStore store(scratch.path(),
                          {2, 0, [&](std::string_view point) { points.emplace_back(point); }});
    save(store, new_step);
  }
  ASSERT_GE(points.size(), 15u);
  for (std::size_t kill_at = 0; kill_at < points.size(); ++kill_at) {
    SCOPED_TRACE(points[kill_at]);
    const ScratchFolder scratch;
    CheckpointStore plain(scratch.path(), {2, 0, {}});
    prepare(plain);
    const int status = in_child([&] {
      std::size_t count = 0;
      CheckpointStore store(scratch.path(), {2, 0, [&](std::string_view) {
                                               if (count++ == kill_at) ::raise(SIGKILL);
                                             }});
      save(store, new_step);
    });
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    const auto latest = plain.latest();
    ASSERT_TRUE(latest.has_value());
    expect_latest(plain, latest->step() == new_step ? new_step : old_step);
    save(plain, new_step);  // the next run mends everything
    expect_latest(plain, new_step);
    for (const auto& entry : fs::directory_iterator(scratch.path())) {
      EXPECT_THAT(entry.path().filename().string(), testing::StartsWith("step-"));
    }
  }
}

TEST(CheckpointStore, DeathAtEveryPointOfASave) {
  die_at_every_point(
      [](CheckpointStore& store) {
        save(store, 1);
        save(store, 2);
      },
      2, 3);
}

TEST(CheckpointStore, DeathWhileADamagedOneIsReplaced) {
  die_at_every_point(
      [](CheckpointStore& store) {
        save(store, 2);
        save(store, 3);
        put_file(store.folder_of(3) / "tensors.safetensors", "damaged");
      },
      2, 3);
}

// A limit on file sizes fails writes as a full disk does.
TEST(CheckpointStore, FullDiskLeavesThePreviousGood) {
  for (const rlim_t limit : {0, 100, 2000, 4300}) {  // within the header, the data, the manifest
    SCOPED_TRACE(limit);
    const ScratchFolder scratch;
    CheckpointStore store(scratch.path(), {2, 0, {}});
    save(store, 1);
    const int status = in_child([&] {
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit bound{limit, limit};
      ::setrlimit(RLIMIT_FSIZE, &bound);
      try {
        // The state is larger than the tensors' file, so the last limit fails there.
        store.save(2, tensors_of(2), {{{"text", std::string(8000, 'x')}}, {}, {}});
      } catch (const Error& error) {
        const bool told = error.kind() == ErrorKind::kUserInput &&
                          error.where().find(scratch.path().string()) == 0;
        ::_exit(told ? 3 : 4);
      }
    });
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 3);
    expect_latest(store, 1);
    EXPECT_EQ(std::distance(fs::directory_iterator(scratch.path()), {}), 1);
  }
}

TEST(CheckpointStore, ForeignFoldersAreLeftAlone) {
  const ScratchFolder scratch;
  fs::create_directories(scratch / "step-12x");
  fs::create_directories(scratch / "notes");
  put_file(scratch / "step-5", "a file");
  CheckpointStore store(scratch.path());
  save(store, 1);
  EXPECT_THAT(store.steps(), ElementsAre(1));
  EXPECT_TRUE(fs::exists(scratch / "notes") && fs::exists(scratch / "step-12x"));
}

}  // namespace
}  // namespace peryton
