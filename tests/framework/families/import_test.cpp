// SPDX-License-Identifier: Apache-2.0
#include "framework/families/import.h"

#include <gmock/gmock.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/json_text.h"
#include "framework/checkpoint/model_folder.h"
#include "framework/checkpoint/safetensors.h"
#include "tests/framework/checkpoint/support.h"

namespace peryton {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using namespace testing_support;  // NOLINT: scratch folders and errors as text

// A component that only has parameters: enough to import and export.
class ToyComponent final : public Component {
 public:
  ToyComponent(const nlohmann::json& config, DType dtype) : config_(config) {
    shape_ = {config.at("width"), 1, config.at("vocab_size"),
              config.value("tie_word_embeddings", true)};
    embedding_ = make("toy.embedding.weight", {shape_.vocabulary, shape_.width}, dtype);
    make("toy.mix.weight", {shape_.width, shape_.width}, dtype);
    make("toy.decay", {shape_.width}, DType::kFloat32);
    head_ = shape_.tied_head ? embedding_
                             : make("lm_head.weight", {shape_.vocabulary, shape_.width}, dtype);
  }
  const ComponentShape& shape() const override { return shape_; }
  Variable embed(const ForwardContext&) override { return {}; }
  Variable run(const ForwardContext&, std::int64_t, std::int64_t, Variable h) override { return h; }
  Variable final_norm(const ForwardContext&, Variable h) override { return h; }
  Variable logits(const ForwardContext&, Variable h) override { return h; }
  ParameterPtr head() override { return head_; }
  ParameterPtr embedding() override { return embedding_; }
  const std::vector<ParameterPtr>& parameters() const override { return parameters_; }
  std::unique_ptr<ComponentState> make_state(std::int64_t, std::int64_t) override {
    return nullptr;
  }
  nlohmann::json config() const override { return config_; }
  double mixing_flops_per_token(std::int64_t, std::int64_t, std::int64_t) const override {
    return 0;
  }

 private:
  ParameterPtr make(const std::string& name, const Shape& shape, DType dtype) {
    auto parameter = std::make_shared<Parameter>();
    parameter->name = name;
    parameter->value = Tensor::zeros(dtype, shape);
    parameters_.push_back(parameter);
    return parameter;
  }
  nlohmann::json config_;
  ComponentShape shape_;
  ParameterPtr embedding_, head_;
  std::vector<ParameterPtr> parameters_;
};

class ToyFamily final : public Family {
 public:
  std::string name() const override { return "toy"; }
  bool accepts(const nlohmann::json& config) const override {
    return config.value("model_type", "") == "toy";
  }
  std::unique_ptr<Component> make(const nlohmann::json& config, const std::string&,
                                  DType dtype) const override {
    return std::make_unique<ToyComponent>(config, dtype);
  }
  void initialise(Component&, std::uint64_t) const override {}
  nlohmann::json config_from_settings(const nlohmann::json& settings,
                                      const std::string&) const override {
    return settings;
  }
  std::optional<std::string> canonical_name(const std::string& name) const override {
    if (name == "toy.mask") return std::nullopt;
    return name == "toy.embed.weight" ? "toy.embedding.weight" : name;
  }
  nlohmann::json tiny_config() const override {
    return {{"model_type", "toy"}, {"width", 2}, {"vocab_size", 3}};
  }
};

class Import : public testing::Test {
 protected:
  Import() { registry_.add(std::make_unique<ToyFamily>()); }

  static Tensor ramp(const Shape& shape, float first) {
    const Tensor tensor = Tensor::empty(DType::kFloat32, shape);
    for (float& value : tensor.values<float>()) value = first++;
    return tensor;
  }
  static std::vector<NamedTensor> weights() {
    return {{"toy.embedding.weight", ramp({3, 2}, 1)},
            {"toy.mix.weight", ramp({2, 2}, 10)},
            {"toy.decay", ramp({2}, -1)}};
  }
  void write(const std::vector<NamedTensor>& tensors, bool tied = true) const {
    nlohmann::json config = ToyFamily().tiny_config();
    config["tie_word_embeddings"] = tied;
    config["limit"] = {0.0, std::numeric_limits<double>::infinity()};
    atomic_write_file(scratch_ / "config.json", json_to_text(config));
    write_safetensors(scratch_ / "model.safetensors", tensors);
  }
  LoadedComponent load(DType dtype = DType::kFloat32) const {
    return load_component(scratch_.path(), registry_, dtype);
  }
  std::string error() const {
    return input_error_of([&] { load(); });
  }

  ScratchFolder scratch_;
  FamilyRegistry registry_;
};

TEST_F(Import, LoadsAndConverts) {
  write(weights());
  const LoadedComponent loaded = load(DType::kBFloat16);
  const auto& parameters = loaded.component->parameters();
  EXPECT_EQ(loaded.family, "toy");
  EXPECT_EQ(loaded.source, scratch_.path().string());
  EXPECT_FALSE(loaded.tokenizer.has_value());
  EXPECT_EQ(parameters[0]->value.dtype(), DType::kBFloat16);
  EXPECT_EQ(static_cast<float>(parameters[1]->value.values<BFloat16>()[3]), 13.0f);
  EXPECT_EQ(parameters[2]->value.dtype(), DType::kFloat32);  // what the family keeps exact
}

TEST_F(Import, OldNamesAndIgnoredBuffers) {
  auto tensors = weights();
  tensors[0].name = "toy.embed.weight";
  tensors.push_back({"toy.mask", Tensor::zeros(DType::kUInt8, {4})});
  write(tensors);
  EXPECT_EQ(load().component->parameters()[0]->value.values<float>()[5], 6.0f);
}

TEST_F(Import, EverythingWrongIsToldAtOnce) {
  auto tensors = weights();
  tensors[0].value = ramp({4, 2}, 1);
  tensors[1].value.values<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  tensors[1].value.values<float>()[2] = -std::numeric_limits<float>::infinity();
  tensors[2].name = "toy.rest";
  write(tensors);
  EXPECT_THAT(error(),
              AllOf(HasSubstr("'toy.embedding.weight' should be [3, 2], is [4, 2]"),
                    HasSubstr("'toy.mix.weight' has 2 NaN or infinite values of 4"),
                    HasSubstr("missing: 'toy.decay' [2]"), HasSubstr("unexpected: 'toy.rest' [2]"),
                    HasSubstr(scratch_.path().string())));
}

TEST_F(Import, IntegersAreNoWeights) {
  auto tensors = weights();
  tensors[2].value = Tensor::zeros(DType::kInt32, {2});
  write(tensors);
  EXPECT_THAT(error(), HasSubstr("'toy.decay' holds I32"));
}

TEST_F(Import, TwoNamesForOneWeight) {
  auto tensors = weights();
  tensors.push_back({"toy.embed.weight", tensors[0].value});
  write(tensors);
  EXPECT_THAT(error(), HasSubstr("are the same weight"));
}

TEST_F(Import, TiedHeads) {
  auto tensors = weights();
  write(tensors);
  tensors.push_back({"lm_head.weight", tensors[0].value});
  write(tensors);
  EXPECT_EQ(load().component->parameters().size(), 3u);  // present and identical: fine
  tensors.back().value = ramp({3, 2}, 2);
  write(tensors);
  EXPECT_THAT(error(), AllOf(HasSubstr("'lm_head.weight' differs"),
                             HasSubstr("tie_word_embeddings"), Not(HasSubstr("unexpected"))));
  write(tensors, /*tied=*/false);
  EXPECT_EQ(load().component->head()->value.values<float>()[0], 2.0f);
  write(weights(), /*tied=*/false);
  EXPECT_THAT(error(), HasSubstr("missing: 'lm_head.weight' [3, 2]"));
}

TEST_F(Import, ExportRoundTrip) {
  write(weights());
  put_file(scratch_ / "tokenizer.json", "{}");
  put_file(scratch_ / "special_tokens_map.json", "{\"a\": 1}");
  const LoadedComponent loaded = load();
  const auto out = scratch_ / "out/hf";
  export_component(*loaded.component, out, loaded.tokenizer);
  EXPECT_THAT(read_file(out / "config.json"), HasSubstr("Infinity"));
  EXPECT_EQ(read_file(out / "special_tokens_map.json"), "{\"a\": 1}");
  EXPECT_TRUE(std::filesystem::exists(out / "tokenizer_config.json"));
  const LoadedComponent again = load_component(out, registry_, DType::kFloat32);
  EXPECT_EQ(again.content_hash, loaded.content_hash);
  EXPECT_EQ(again.tokenizer, out / "tokenizer.json");
  export_component(*again.component, out, again.tokenizer);  // onto itself
  EXPECT_EQ(load_component(out, registry_, DType::kFloat32).content_hash, loaded.content_hash);
}

TEST_F(Import, HashFollowsTheWeightsOnly) {
  write(weights());
  const std::string first = load().content_hash;
  put_file(scratch_ / "tokenizer.json", "{}");
  EXPECT_EQ(load().content_hash, first);
  auto tensors = weights();
  tensors[2].value.values<float>()[0] += 1;
  write(tensors);
  EXPECT_NE(load().content_hash, first);
}

}  // namespace
}  // namespace peryton
