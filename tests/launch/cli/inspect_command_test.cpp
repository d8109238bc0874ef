// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/framework/checkpoint/support.h"

namespace peryton {

int inspect_command(const std::vector<std::string>& arguments);

namespace {

using testing::AllOf;
using testing::HasSubstr;
using namespace testing_support;  // NOLINT: scratch folders and errors as text

std::string output_of(const std::vector<std::string>& arguments) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(inspect_command(arguments), 0);
  return testing::internal::GetCapturedStdout();
}

const std::string kModels = std::string(PERYTON_GOLDEN_DIR) + "/families/";

TEST(InspectCommand, TwoModels) {
  const std::string text =
      output_of({kModels + "gpt_neox/stored_f16", kModels + "mamba2/mamba_ssm_defaults"});
  EXPECT_THAT(text, AllOf(HasSubstr("family      gpt_neox"), HasSubstr("stored as F16"),
                          HasSubstr("family      mamba2"), HasSubstr("head tied"),
                          HasSubstr("both 32"), HasSubstr("    stored_f16: {from: ")));
}

TEST(InspectCommand, OneModelOfShards) {
  EXPECT_THAT(output_of({kModels + "mamba2/sharded"}), HasSubstr("parameters"));
}

TEST(InspectCommand, WrongUse) {
  EXPECT_THAT(input_error_of([] { inspect_command({}); }), HasSubstr("needs a model folder"));
  EXPECT_THAT(input_error_of([] { inspect_command({"--what"}); }), HasSubstr("'--what'"));
  EXPECT_THAT(input_error_of([] { inspect_command({"/absent/model"}); }),
              HasSubstr("/absent/model"));
  EXPECT_THAT(output_of({"--help"}), HasSubstr("usage: peryton inspect"));
}

}  // namespace
}  // namespace peryton
