// Mamba-2 against values that transformers computed in double (tests/golden/families).
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "framework/checkpoint/model_folder.h"
#include "framework/checkpoint/tensor_file.h"
#include "framework/families/registry.h"
#include "framework/ops/head_loss.h"
#include "tests/support/finite_difference.h"

namespace peryton {
namespace {

std::filesystem::path folder_of(const std::string& name) {
  return std::filesystem::path(PERYTON_GOLDEN_DIR) / "families" / "mamba2" / name;
}

struct Model {
  FamilyRegistry registry = all_families();
  const Family& family = registry.by_name("mamba2");
  std::unique_ptr<Component> component;

  explicit Model(const std::string& name) {
    const ModelFolder folder = ModelFolder::open(folder_of(name));
    component = family.create(folder.config(), name, DType::kFloat32);
    for (const std::string& file_name : folder.names()) {
      const auto known = family.canonical_name(file_name);
      if (known == "lm_head.weight" && component->shape().tied_head) continue;
      find(known.value()).value.copy_from(folder.load(file_name, DType::kFloat32));
    }
    for (const ParameterPtr& parameter : component->parameters()) {
      parameter->trainable = true;
      parameter->gradient = Tensor::zeros(DType::kFloat32, parameter->value.shape());
    }
  }
  Parameter& find(const std::string& name) {
    const auto& all = component->parameters();
    const auto found = std::ranges::find(all, name, [](const ParameterPtr& p) { return p->name; });
    if (found == all.end()) throw std::runtime_error("no parameter " + name);
    return **found;
  }
  Variable hidden(const ForwardContext& context) {
    const Variable x =
        component->run(context, 0, component->shape().blocks, component->embed(context));
    return component->final_norm(context, x);
  }
  Tensor logits(const TokenBatch& batch, ComponentState* state = nullptr) {
    Tape tape(kernels::Context{.device = {}, .threads = 1}, Tape::Mode::kInference);
    const ForwardContext context{tape, batch, state};
    return component->logits(context, hidden(context)).value();
  }
};

std::int32_t best(const Tensor& logits) {  // of the last token of row 0
  const std::int64_t width = logits.size(-1);
  const auto values = logits.slice(0, 0, 1).contiguous_copy();
  const float* last = values.data<float>() + (logits.size(1) - 1) * width;
  return static_cast<std::int32_t>(std::max_element(last, last + width) - last);
}

// Targets: the next token, none at the end of a row.
Tensor next_tokens(const Tensor& ids) {
  const Tensor targets = Tensor::empty(DType::kInt32, ids.shape());
  const auto from = ids.values<std::int32_t>();
  const auto to = targets.values<std::int32_t>();
  for (std::size_t i = 0; i < to.size(); ++i) {
    const bool last = (i + 1) % static_cast<std::size_t>(ids.size(1)) == 0;
    to[i] = last ? -1 : from[i + 1];
  }
  return targets;
}

void expect_parity(const std::string& name, const std::string& file) {
  SCOPED_TRACE(name + "/" + file);
  Model model(name);
  const auto expected = open_tensor_file(folder_of(name) / file);
  TokenBatch batch{.ids = expected->load("ids"), .document_start = {}, .past = 0};
  if (expected->contains("document_start")) batch.document_start = expected->load("document_start");
  EXPECT_LE(test::max_difference(model.logits(batch), expected->load("logits")), 1e-4);

  const Tensor targets =
      expected->contains("targets") ? expected->load("targets") : next_tokens(batch.ids);
  const auto count = std::ranges::count_if(targets.values<std::int32_t>(),
                                           [](std::int32_t target) { return target >= 0; });
  Tape tape(kernels::Context{.device = {}, .threads = 1});
  const ForwardContext context{tape, batch, nullptr};
  const Variable hidden = model.hidden(context);
  const HeadLoss loss =
      head_loss(tape, {.terms = {{hidden, tape.parameter(*model.component->head())}},
                       .coefficients = {},
                       .vocabulary = model.component->shape().vocabulary,
                       .targets = targets,
                       .weights = {},
                       .scale = 1.0 / static_cast<double>(count)});
  EXPECT_NEAR(loss.loss.value().item(), expected->load("loss").item(), 2e-5);
  tape.backward(loss.loss);
  std::size_t compared = 0;
  for (const std::string& key : expected->names()) {
    if (!key.starts_with("grad.")) continue;
    const Parameter& parameter = model.find(model.family.canonical_name(key.substr(5)).value());
    EXPECT_LE(test::relative_error(parameter.gradient, expected->load(key)), 1e-5) << key;
    ++compared;
  }
  EXPECT_EQ(compared, model.component->parameters().size());
}

class Mamba2Parity : public testing::TestWithParam<const char*> {};

TEST_P(Mamba2Parity, LogitsLossAndGradients) { expect_parity(GetParam(), "expected.safetensors"); }

// Prefill in pieces that straddle chunk borders, then single tokens: the logits of one pass.
TEST_P(Mamba2Parity, GenerationEqualsPrefill) {
  Model model(GetParam());
  const auto expected = open_tensor_file(folder_of(GetParam()) / "expected.safetensors");
  const Tensor ids = expected->load("ids"), whole = expected->load("logits");
  const auto state = model.component->make_state(ids.size(0), ids.size(1));
  std::int64_t past = 0;
  for (const std::int64_t end : {2L, 3L, 21L, 22L, 23L, 30L, static_cast<long>(ids.size(1))}) {
    const TokenBatch batch{
        .ids = ids.slice(1, past, end).contiguous_copy(), .document_start = {}, .past = past};
    const Tensor logits = model.logits(batch, state.get());
    EXPECT_LE(test::max_difference(logits, whole.slice(1, past, end)), 1e-4) << "at " << past;
    past = end;
  }
}

TEST_P(Mamba2Parity, GreedyTokens) {
  Model model(GetParam());
  const auto expected = open_tensor_file(folder_of(GetParam()) / "expected.safetensors");
  const Tensor prompt = expected->load("prompt"), greedy = expected->load("greedy");
  const auto state = model.component->make_state(1, 0);
  TokenBatch batch{.ids = prompt, .document_start = {}, .past = 0};
  std::vector<std::int32_t> found;
  for (std::int64_t i = 0; i < greedy.elements(); ++i) {
    found.push_back(best(model.logits(batch, state.get())));
    batch.past += batch.length();
    batch.ids = Tensor::from_values<std::int32_t>({1, 1}, std::span(&found.back(), 1));
  }
  const auto wanted = greedy.values<std::int32_t>();
  EXPECT_EQ(found, std::vector<std::int32_t>(wanted.begin(), wanted.end()));
}

// What config() writes is read back to the same model, and stays as it is when written again.
TEST_P(Mamba2Parity, WrittenConfigIsTheSameModel) {
  Model model(GetParam());
  const nlohmann::json written = model.component->config();
  const auto again = model.family.create(written, "written", DType::kFloat32);
  EXPECT_EQ(again->config(), written);
  ASSERT_EQ(again->parameters().size(), model.component->parameters().size());
  for (std::size_t i = 0; i < again->parameters().size(); ++i) {
    EXPECT_EQ(again->parameters()[i]->name, model.component->parameters()[i]->name);
    EXPECT_EQ(again->parameters()[i]->value.shape(),
              model.component->parameters()[i]->value.shape());
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, Mamba2Parity,
                         testing::Values("one_group_tied", "four_groups_bias_clamped",
                                         "long_ragged", "two_groups_wide_state", "missing_keys",
                                         "legacy_infinity", "sharded", "stored_f16", "stored_bf16",
                                         "mamba_ssm_defaults", "mamba_ssm_two_groups_bf16"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Mamba2Packed, DocumentsDoNotSeeEachOther) {
  expect_parity("one_group_tied", "packed.safetensors");
  expect_parity("four_groups_bias_clamped", "packed.safetensors");
}

}  // namespace
}  // namespace peryton
