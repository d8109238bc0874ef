// peryton import, and inspect on a GGUF file.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "launch/cli/commands.h"
#include "tests/framework/checkpoint/support.h"

namespace peryton {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using namespace testing_support;  // NOLINT: scratch folders

struct Outcome {
  int code;
  std::string out, err;
};

Outcome run(const std::vector<std::string>& arguments) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = run_command_line(arguments);
  return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

const std::string kModels = std::string(PERYTON_GOLDEN_DIR) + "/gguf/";

TEST(ImportCommand, WritesAFolderAndShowsIt) {
  const ScratchFolder scratch;
  const Outcome done = run({"import", kModels + "llama.gguf", "--to", scratch / "m"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("llama"), HasSubstr("700 entries"), HasSubstr("F32")));
  const Outcome half = run({"import", kModels + "llama.gguf", "--to", scratch / "half", "--dtype",
                            "bfloat16", "--without-tokenizer"});
  EXPECT_EQ(half.code, 0) << half.err;
  EXPECT_THAT(half.out, AllOf(HasSubstr("no tokenizer.json"), HasSubstr("BF16")));
}

TEST(ImportCommand, InspectShowsTheFile) {
  const Outcome done = run({"inspect", kModels + "llama.gguf", kModels + "types.gguf"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, AllOf(HasSubstr("architecture llama"), HasSubstr("Q4_0"),
                              HasSubstr("700 entries, kind gpt2, pre-tokenizer smollm"),
                              HasSubstr("this type cannot be read")));
}

TEST(ImportCommand, WrongUseAndDamageAreTheUsers) {
  const ScratchFolder scratch;
  const std::string whole = read_file(kModels + "llama.gguf");
  put_file(scratch / "short.gguf", whole.substr(0, whole.size() / 2));
  const std::vector<std::pair<std::vector<std::string>, const char*>> wrong = {
      {{"import"}, "GGUF file"},
      {{"import", kModels + "llama.gguf"}, "--to is missing"},
      {{"import", kModels + "llama.gguf", "--to", scratch / "m", "--dtype", "q4"}, "--dtype"},
      {{"import", scratch / "absent", "--to", scratch / "m"}, "absent"},
      {{"import", scratch / "short.gguf", "--to", scratch / "m"}, "outside of the file"},
      {{"inspect", scratch / "short.gguf"}, "outside of the file"},
      {{"import", kModels + "types.gguf", "--to", scratch / "m"}, "architecture 'test'"}};
  for (const auto& [arguments, message] : wrong) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << message;
    EXPECT_THAT(outcome.err, HasSubstr(message));
  }
}

}  // namespace
}  // namespace peryton
