// SPDX-License-Identifier: Apache-2.0
#include "launch/inspect/fit.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "tests/framework/checkpoint/support.h"

namespace peryton {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using namespace testing_support;  // NOLINT: scratch folders and errors as text

ModelFacts pythia() {
  return {"pythia", "pythia-160m", "gpt_neox", {768, 12, 50304, false},
          "F16",    162322944,     324645888,  TokenizerFacts{50277, "same"}};
}
ModelFacts mamba() {
  return {"mamba2", "mamba2-130m", "mamba2",  {768, 24, 50288, true},
          "F32",    128989632,     515958528, {}};
}

Finding finding(const ModelFacts& a, const ModelFacts& b, const std::string& subject) {
  for (const Finding& found : compare_models(a, b)) {
    if (found.subject == subject) return found;
  }
  ADD_FAILURE() << subject;
  return {};
}

TEST(Fit, Segments) {
  EXPECT_EQ(suggested_segments(12, 24), 6);
  EXPECT_EQ(suggested_segments(24, 48), 8);
  EXPECT_EQ(suggested_segments(4, 4), 4);
  EXPECT_EQ(suggested_segments(5, 7), 5);    // no common divisor: uneven
  EXPECT_EQ(suggested_segments(22, 26), 6);  // only 2 in common: too few to mix
  EXPECT_EQ(suggested_segments(1, 30), 1);
}

TEST(Fit, BorrowedTokenizer) {
  EXPECT_EQ(finding(pythia(), mamba(), "tokenizer").fit, Fit::kMendable);
  EXPECT_EQ(finding(pythia(), mamba(), "vocabulary").fit, Fit::kYes);
  EXPECT_THAT(fit_text(pythia(), mamba()),
              AllOf(HasSubstr("    mamba2: {from: mamba2-130m, tokenizer: pythia}"),
                    HasSubstr("segments: 6, gate: transition, embeddings: keep"),
                    HasSubstr("50304 and 50288 rows: padded differently")));
  EXPECT_THAT(fit_text(mamba(), pythia()), HasSubstr("mamba2-130m, tokenizer: pythia}"));
}

TEST(Fit, SameTokenizer) {
  ModelFacts other = mamba();
  other.tokenizer = pythia().tokenizer;
  EXPECT_EQ(finding(pythia(), other, "tokenizer").fit, Fit::kYes);
  EXPECT_THAT(fit_text(pythia(), other), Not(HasSubstr("tokenizer: pythia")));
}

TEST(Fit, DifferentTokenizersNeedFreshEmbeddings) {
  ModelFacts other = mamba();
  other.tokenizer = TokenizerFacts{32000, "other"};
  other.shape.vocabulary = 32000;
  other.shape.width = 1024;
  EXPECT_THAT(
      fit_text(pythia(), other),
      AllOf(HasSubstr("they differ (50277 and 32000 entries)"), HasSubstr("embeddings: fresh}"),
            HasSubstr("the shared space has 1024, projectors change the width of pythia")));
  other.tokenizer.reset();  // too few rows to borrow
  EXPECT_THAT(fit_text(pythia(), other), HasSubstr("embeddings: fresh}"));
}

TEST(Fit, TokenizerOfAnotherModel) {
  ModelFacts wrong = pythia();
  wrong.shape.vocabulary = 40000;
  EXPECT_EQ(finding(wrong, pythia(), "vocabulary").fit, Fit::kNo);
  EXPECT_THAT(fit_text(wrong, pythia()), Not(HasSubstr("as a hybrid")));
}

TEST(Fit, EqualNamesAreToldApart) {
  EXPECT_THAT(fit_text(pythia(), pythia()), HasSubstr("pythia_2: {from: pythia-160m}"));
}

TEST(TokenizerFacts, SpellingDoesNotCount) {
  const ScratchFolder scratch;
  const auto facts = [&](const std::string& merges, const std::string& added) {
    put_file(scratch / "t", R"({"model":{"vocab":{"a":0,"b":1,"ab":2},"merges":)" + merges +
                                R"(},"added_tokens":[)" + added + "]}");
    return tokenizer_facts(scratch / "t");
  };
  const TokenizerFacts old = facts(R"(["a b"])", R"({"id":4,"content":"<end>"})");
  EXPECT_EQ(old.entries, 5);
  EXPECT_EQ(old.table_hash, facts(R"([["a","b"]])", R"({"id":4,"content":"<end>"})").table_hash);
  EXPECT_NE(old.table_hash, facts(R"(["b a"])", R"({"id":4,"content":"<end>"})").table_hash);
  EXPECT_NE(old.table_hash, facts(R"(["a b"])", R"({"id":3,"content":"<end>"})").table_hash);
  put_file(scratch / "t", "{}");
  EXPECT_THAT(input_error_of([&] { tokenizer_facts(scratch / "t"); }), HasSubstr("tokenizer.json"));
}

}  // namespace
}  // namespace peryton
