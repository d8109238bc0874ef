// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/files.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "framework/checkpoint/hash.h"
#include "tests/framework/checkpoint/support.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_support::error_of;
using testing_support::input_error_of;
using testing_support::put_file;
using testing_support::ScratchFolder;

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

TEST(Files, WriteReplacesAtomically) {
  const ScratchFolder scratch;
  atomic_write_file(scratch / "a", "first");
  atomic_write_file(scratch / "a", "second");
  EXPECT_EQ(read_file(scratch / "a"), "second");
  EXPECT_EQ(files_in(scratch.path()), 1u);
}

TEST(Files, WithoutCommitNothingChanges) {
  const ScratchFolder scratch;
  atomic_write_file(scratch / "a", "first");
  {
    AtomicFile file(scratch / "a");
    file.write("half");
  }
  EXPECT_EQ(read_file(scratch / "a"), "first");
  EXPECT_EQ(files_in(scratch.path()), 1u);
}

TEST(Files, FailuresNameThePath) {
  const ScratchFolder scratch;
  EXPECT_THAT(error_of(ErrorKind::kSystem, [&] { atomic_write_file(scratch / "no/a", "x"); }),
              HasSubstr("no/a"));
  EXPECT_THAT(input_error_of([&] { read_file(scratch / "absent"); }), HasSubstr("absent"));
  EXPECT_THAT(input_error_of([&] { read_file(scratch.path()); }), HasSubstr("not a regular file"));
  put_file(scratch / "file", "x");
  EXPECT_THAT(error_of(ErrorKind::kSystem, [&] { make_folder(scratch / "file"); }),
              HasSubstr("file"));
}

TEST(Files, EmptyFileIsRead) {
  const ScratchFolder scratch;
  put_file(scratch / "a", "");
  EXPECT_EQ(read_file(scratch / "a"), "");
}

TEST(FolderLock, SecondHolderIsTold) {
  const ScratchFolder scratch;
  const fs::path run = scratch / "runs/x";
  {
    const FolderLock lock(run);
    EXPECT_THAT(input_error_of([&] { FolderLock second(run); }),
                HasSubstr("another run uses this folder (process " + std::to_string(::getpid())));
  }
  const FolderLock again(run);
}

TEST(FolderLock, DeathReleases) {
  const ScratchFolder scratch;
  const pid_t child = ::fork();
  if (child == 0) {
    auto* lock = new FolderLock(scratch.path());
    (void)lock;
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  const FolderLock lock(scratch.path());
}

TEST(Hash, FilesAndTensors) {
  const ScratchFolder scratch;
  put_file(scratch / "a", "");
  EXPECT_EQ(hash_file(scratch / "a"), "99aa06d3014798d86001c324468d497f");  // XXH3 128 of nothing
  const Tensor a = Tensor::full(DType::kFloat32, {2, 3}, 1.5),
               b = Tensor::zeros(DType::kFloat32, {4});
  const std::vector<NamedTensor> one = {{"a", a}, {"b", b}}, other = {{"b", b}, {"a", a}};
  EXPECT_EQ(hash_tensors(one), hash_tensors(other));
  const std::vector<NamedTensor> reshaped = {{"a", a.reshape({3, 2})}, {"b", b}};
  const std::vector<NamedTensor> renamed = {{"c", a}, {"b", b}};
  EXPECT_NE(hash_tensors(one), hash_tensors(reshaped));
  EXPECT_NE(hash_tensors(one), hash_tensors(renamed));
  const Tensor wide = Tensor::full(DType::kFloat32, {2, 6}, 1.5);
  const std::vector<NamedTensor> strided = {{"a", wide.slice(1, 1, 4)}, {"b", b}};
  EXPECT_EQ(hash_tensors(one), hash_tensors(strided));
}

}  // namespace
}  // namespace peryton
