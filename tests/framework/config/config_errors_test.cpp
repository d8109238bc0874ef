// Every class of mistake: the place, the key and what to do.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "framework/config/run_config.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

using ::testing::HasSubstr;

// Line 1 is `run`, 2 `data`, 3 and 4 components, 5 hybrid, 6 train, 7 stages; `{...}` is replaced.
std::string document(const std::string& train, const std::string& stage,
                     const std::string& hybrid = "{segments: 2}") {
  return "run: {name: t}\n"
         "data: {sources: [a.txt]}\n"
         "components: {a: {family: gpt_neox, width: 32},\n"
         "             b: {family: mamba2, width: 32}}\n"
         "hybrid: " +
         hybrid +
         "\n"
         "train: " +
         train +
         "\n"
         "stages:\n"
         "  - {kind: pretrain, steps: 4}\n"
         "  - " +
         stage + "\n";
}

Error error_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    parse_run_config(text, "t.yaml", overrides);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 2);
    return error;
  }
  ADD_FAILURE() << "accepted:\n" << text;
  return Error(ErrorKind::kInternal, "");
}

struct Case {
  const char *train, *stage;
  const char *where, *message, *hint;
};

class ConfigErrors : public ::testing::TestWithParam<Case> {};

TEST_P(ConfigErrors, Tell) {
  const Case& c = GetParam();
  const Error error = error_of(document(c.train, c.stage));
  EXPECT_EQ(error.where(), c.where);
  EXPECT_THAT(error.message(), HasSubstr(c.message));
  EXPECT_THAT(error.hint(), HasSubstr(c.hint));
}

constexpr const char* kSearch = "{kind: search, steps: 4}";

INSTANTIATE_TEST_SUITE_P(
    All, ConfigErrors,
    ::testing::Values(
        Case{"{sequnce: 64}", kSearch, "t.yaml:6:9", "unknown key 'train.sequnce'", "'sequence'"},
        Case{"{sequence: long}", kSearch, "t.yaml:6:19", "'train.sequence' must be a whole number",
             "100k"},
        Case{"{sequence: \"64\"}", kSearch, "t.yaml:6:19", "must be a whole number",
             "without quotes"},
        Case{"{sequence: 1}", kSearch, "t.yaml:6:19", "out of range", "between 2 and"},
        Case{"{sequence: 1.5}", kSearch, "t.yaml:6:19", "whole number", ""},
        Case{"{sequence: [1]}", kSearch, "t.yaml:6:19", "not a list", ""},
        Case{"{sequence: }", kSearch, "t.yaml:6:9", "has no value", ""},
        Case{"{lr: fast}", kSearch, "t.yaml:6:13", "must be a number", "3e-4"},
        Case{"{lr: .inf}", kSearch, "t.yaml:6:13", "must be a number", ""},
        Case{"{warmup: 120%}", kSearch, "t.yaml:6:17", "number of steps or a percentage", "2%"},
        Case{"{recompute: yes}", kSearch, "t.yaml:6:20", "must be true or false", ""},
        Case{"{precision: fp23}", kSearch, "t.yaml:6:20", "unknown value 'fp23'", "'fp32'"},
        Case{"{validation: 5}", kSearch, "t.yaml:6:21", "must be a map", ""},
        Case{"{groups: {projector: {lr: 1}}}", kSearch, "t.yaml:6:29", "unknown group",
             "'projectors'"},
        Case{"{lr: 1, lr: 2}", kSearch, "t.yaml:6:16", "duplicate key 'lr'", "t.yaml:6:9"},
        Case{"{}", "{kind: serach, steps: 4}", "t.yaml:9:12", "unknown value 'serach'", "'search'"},
        Case{"{}", "{steps: 4}", "t.yaml:9:5", "must be a map with a 'kind'", ""},
        Case{"{}", "{kind: search}", "t.yaml:9:5", "does not say how long", "tokens: 5M"},
        Case{"{}", "{kind: search, steps: 4, tokens: 5}", "t.yaml:9:5", "one budget", ""},
        Case{"{}", "{kind: search, match: tokens}", "t.yaml:9:5", "go together", "of: ["},
        Case{"{}", "{kind: search, match: tokens, of: [serch]}", "t.yaml:9:39",
             "unknown stage 'serch'", "'search'"},
        Case{"{}", "{kind: search, steps: 4, after: pretrian}", "t.yaml:9:37",
             "unknown stage 'pretrian'", "'pretrain'"},
        Case{"{}", "{kind: search, steps: 4, after: pretrain}", "t.yaml:9:37",
             "cannot start from 'pretrain'", ""},
        Case{"{}", "{kind: search, steps: 4, train: [heads]}", "t.yaml:9:37",
             "'alpha' is not in 'train'", ""},
        Case{"{}", "{kind: search, steps: 4, train: [aplha]}", "t.yaml:9:37",
             "unknown group 'aplha'", "'alpha'"},
        Case{"{}", "{kind: search, steps: 4, train: []}", "t.yaml:9:37", "nothing would train", ""},
        Case{"{}", "{kind: search, steps: 4, model: a}", "t.yaml:9:5", "is for the hybrid", ""},
        Case{"{}", "{kind: finetune, steps: 4, model: c}", "t.yaml:9:5", "unknown model 'c'",
             "'a'"},
        Case{"{}", "{kind: finetune, steps: 4, model: a, train: [alpha]}", "t.yaml:9:49",
             "no group 'alpha'", ""},
        Case{"{}", "{kind: search, steps: 4, alpha: {method: fixed}}", "t.yaml:9:5",
             "fixed and in 'train'", ""},
        Case{"{}", "{kind: search, steps: 4, alpha: {values: [0.5, 0.4]}}", "t.yaml:9:5",
             "sums to 0.9", ""},
        Case{"{}", "{kind: search, steps: 4, alpha: {values: [1, 0, 0]}}", "t.yaml:9:5",
             "3 numbers for 2", ""},
        Case{"{}", "{kind: search, steps: 4, alpha: {values: [[1, 0], [1, 0], [0, 1]]}}",
             "t.yaml:9:5", "3 rows for 2 segments", ""},
        Case{"{}", "{kind: evaluate, models: [nothing]}", "t.yaml:9:30", "unknown stage 'nothing'",
             ""},
        Case{"{}", "{kind: evaluate, prompts: [x]}", "t.yaml:9:22", "unknown key",
             "stages of kind generate"},
        Case{"{}", "{kind: evaluate, name: pretrain}", "t.yaml:9:5",
             "two stages are called 'pretrain'", "rename"},
        Case{"{}", "{kind: evaluate, name: data}", "t.yaml:9:5", "cannot be called 'data'", ""},
        Case{"{}", "{kind: discretise}", "t.yaml:9:5", "no α to round", ""},
        Case{"{}", "{kind: finetune, name: f, steps: 4, after: f}", "t.yaml:9:5", "f -> f", ""},
        Case{"{global_batch: 6, micro_batch: 4}", kSearch, "t.yaml:6:23", "not a multiple",
             "4 or 8"},
        Case{"{}", "{kind: search, steps: 4, global_batch: 6, micro_batch: 4}", "t.yaml:9:5",
             "not a multiple", "4 or 8"}));

TEST(ConfigErrorsOther, Syntax) {
  EXPECT_EQ(error_of("run: {name: t\nstages: [").where().substr(0, 7), "t.yaml:");
  EXPECT_THAT(error_of("run:\n\tname: t\n").hint(), HasSubstr("tabs"));
  EXPECT_THAT(error_of("").message(), HasSubstr("empty"));
  EXPECT_THAT(error_of("a: 1\n---\nb: 2\n").message(), HasSubstr("more than one YAML document"));
  EXPECT_THAT(error_of("- a\n").message(), HasSubstr("is a map of the sections"));
  EXPECT_THAT(error_of("x: &a {b: 1}\ny: {<<: *a}\n").message(), HasSubstr("merge keys"));
  EXPECT_THAT(error_of("a: &x [*x]\n").exit_code(), 2);
}

TEST(ConfigErrorsOther, KeyInTheWrongSection) {
  const Error error = error_of("lr: 1\n" + document("{}", kSearch));
  EXPECT_EQ(error.where(), "t.yaml:1:1");
  EXPECT_THAT(error.hint(), HasSubstr("under 'train'"));
}

TEST(ConfigErrorsOther, AllMistakesAtOnce) {
  const std::string text =
      error_of(document("{sequnce: 64, lr: x}", "{kind: search, step: 4}")).what();
  EXPECT_THAT(text, HasSubstr("t.yaml:6:9: unknown key"));
  EXPECT_THAT(text, HasSubstr("'train.lr'"));
  EXPECT_THAT(text, HasSubstr("'stages[1].step'"));
}

TEST(ConfigErrorsOther, Hybrid) {
  EXPECT_THAT(error_of(document("{}", kSearch, "{components: [a]}")).message(),
              HasSubstr("at least two"));
  EXPECT_THAT(error_of(document("{}", kSearch, "{components: [a, c]}")).message(),
              HasSubstr("unknown component 'c'"));
  EXPECT_THAT(error_of(document("{}", kSearch, "{gate: transitoin}")).hint(),
              HasSubstr("'transition'"));
}

TEST(ConfigErrorsOther, World) {
  const std::string text = document("{global_batch: 16}", kSearch);
  EXPECT_THAT(error_of(text, {"parallel.data=3"}).message(),
              HasSubstr("global_batch 16 cannot be divided"));
  EXPECT_THAT(error_of(text, {"parallel.data=3"}).hint(), HasSubstr("15 or 18"));
  EXPECT_THAT(error_of(text, {"parallel.tensor=2"}).message(), HasSubstr("'parallel.tensor' is 2"));
  EXPECT_THAT(error_of(text, {"parallel.data=0"}).message(), HasSubstr("out of range"));
}

TEST(ConfigErrorsOther, Cycle) {
  const std::string text = document("{}", "{kind: search, match: tokens, of: [finetune]}") +
                           "  - {kind: finetune, match: tokens, of: [search]}\n";
  EXPECT_THAT(error_of(text).message(), HasSubstr("search -> finetune -> search"));
}

TEST(ConfigErrorsOther, ComponentsAndData) {
  const std::string head = "run: {name: t}\nstages: []\ncomponents: ";
  EXPECT_THAT(error_of(head + "{a: {width: 4}}").message(), HasSubstr("either 'from'"));
  EXPECT_THAT(error_of(head + "{a: {from: x, family: y}}").message(), HasSubstr("either 'from'"));
  EXPECT_THAT(error_of(head + "{a: {from: x, tokenizer: b}}").message(),
              HasSubstr("unknown component 'b'"));
  EXPECT_THAT(error_of(head + "{hybrid: {from: x}}").message(), HasSubstr("cannot be called"));
  EXPECT_THAT(error_of("run: {name: t}\nstages: []\n").message(), HasSubstr("no 'components'"));
  EXPECT_THAT(error_of(head + "{a: {family: y}}\ndata: {sources: [x], tokenizer: byt}").hint(),
              HasSubstr("'byte'"));
  EXPECT_THAT(error_of(head + "{a: {family: y}}\ndata: {sources: []}").message(),
              HasSubstr("names no text"));
  EXPECT_THAT(
      error_of("run: {name: t}\ncomponents: {a: {family: y}}\nstages: [{kind: pretrain, steps: 1}]")
          .message(),
      HasSubstr("reads text, and there is none"));
}

TEST(ConfigErrorsOther, Overrides) {
  const std::string text = document("{}", kSearch);
  const Error unknown = error_of(text, {"train.sequnce=4"});
  EXPECT_EQ(unknown.where(), "--set train.sequnce=4");
  EXPECT_THAT(unknown.hint(), HasSubstr("'sequence'"));
  EXPECT_THAT(error_of(text, {"stages.7.lr=1"}).message(), HasSubstr("2 elements"));
  EXPECT_THAT(error_of(text, {"stages.serach.lr=1"}).hint(), HasSubstr("'search'"));
  EXPECT_THAT(error_of(text, {"run.name.x=1"}).message(), HasSubstr("cannot be set"));
  EXPECT_THAT(error_of(text, {"train.lr"}).message(), HasSubstr("section.key=value"));
  EXPECT_THAT(error_of(text, {"train.lr="}).message(), HasSubstr("value is missing"));
  EXPECT_THAT(error_of(text, {"train..lr=1"}).message(), HasSubstr("part of the path is empty"));
}

TEST(ConfigErrorsOther, MissingFile) {
  EXPECT_THROW(read_run_config("/nowhere/x.yaml"), Error);
  EXPECT_THROW(read_run_config("/"), Error);
}

}  // namespace
}  // namespace peryton
