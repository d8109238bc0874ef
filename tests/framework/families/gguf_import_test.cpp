// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gguf_import.h"

#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/json_text.h"
#include "framework/checkpoint/model_folder.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/data/tokenizer.h"
#include "framework/families/import.h"
#include "tests/framework/checkpoint/support.h"
#include "tests/support/gguf_builder.h"

namespace peryton {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT: the helpers of tests
using Strings = std::vector<std::string>;

const std::filesystem::path kGolden = std::filesystem::path(PERYTON_GOLDEN_DIR) / "gguf";
const std::filesystem::path kTexts = std::filesystem::path(PERYTON_GOLDEN_DIR) / "tokenizers";

class GgufGolden : public testing::TestWithParam<const char*> {};

// Every weight under its name, with the value that transformers (llama) or the rules of the
// conversion (the others) give; a logarithm of an exponential comes back rounded.
TEST_P(GgufGolden, WeightsComeBack) {
  const std::string name = GetParam();
  const ScratchFolder scratch;
  const auto result = import_gguf(kGolden / (name + ".gguf"), scratch / "m");
  EXPECT_EQ(result.architecture, name);
  const auto expected = SafetensorsFile::open(kGolden / (name + ".safetensors"));
  const auto folder = ModelFolder::open(scratch / "m");
  EXPECT_EQ(folder.names(), expected.names());
  std::int64_t parameters = 0;
  for (const std::string& tensor : expected.names()) {
    SCOPED_TRACE(tensor);
    const Tensor ours = folder.load(tensor), theirs = expected.load(tensor);
    parameters += ours.elements();
    ASSERT_EQ(ours.shape(), theirs.shape());
    const float tolerance = tensor.ends_with("A_log") ? 1e-6f : 0;
    for (std::int64_t i = 0; i < ours.elements(); ++i) {
      const float value = theirs.data<float>()[i];
      ASSERT_NEAR(ours.data<float>()[i], value, tolerance * (1 + std::abs(value))) << i;
    }
  }
  EXPECT_EQ(result.parameters, parameters);
}

INSTANTIATE_TEST_SUITE_P(Architectures, GgufGolden,
                         testing::Values("llama", "gpt2", "gptneox", "mamba", "mamba2"));

// The families of this build take what they are given, config.json included.
TEST(GgufImport, FamiliesTakeTheFolders) {
  const FamilyRegistry registry = all_families();
  for (const auto& [name, family] : {std::pair("gptneox", "gpt_neox"),
                                     {"mamba2", "mamba2"},
                                     {"llama", "llama"},
                                     {"gpt2", "gpt2"}}) {
    const ScratchFolder scratch;
    import_gguf(kGolden / (std::string(name) + ".gguf"), scratch / "m");
    EXPECT_EQ(load_component(scratch / "m", registry, DType::kFloat32).family, family);
  }
}

TEST(GgufImport, ConfigOfLlama) {
  const ScratchFolder scratch;
  import_gguf(kGolden / "llama.gguf", scratch / "m", {.dtype = DType::kBFloat16});
  const auto config = read_json_file(scratch / "m" / "config.json");
  const nlohmann::json expected = {{"model_type", "llama"},
                                   {"architectures", {"LlamaForCausalLM"}},
                                   {"vocab_size", 700},
                                   {"hidden_size", 32},
                                   {"intermediate_size", 64},
                                   {"num_hidden_layers", 2},
                                   {"num_attention_heads", 4},
                                   {"num_key_value_heads", 2},
                                   {"head_dim", 8},
                                   {"max_position_embeddings", 128},
                                   {"rms_norm_eps", 1e-5},
                                   {"rope_theta", 50000.0},
                                   {"tie_word_embeddings", true},
                                   {"attention_bias", false},
                                   {"mlp_bias", false},
                                   {"hidden_act", "silu"},
                                   {"bos_token_id", 1},
                                   {"eos_token_id", 2},
                                   {"torch_dtype", "bfloat16"}};
  EXPECT_EQ(config, expected);
  EXPECT_EQ(ModelFolder::open(scratch / "m").info("model.norm.weight").dtype, StoredDType::kBF16);
  const auto tokenizer = read_json_file(scratch / "m" / "tokenizer_config.json");
  EXPECT_EQ(tokenizer.at("chat_template"), "{{ messages }}");
  EXPECT_EQ(tokenizer.at("eos_token"), "<|im_end|>");
}

TEST(GgufImport, ShardsHoldTheSame) {
  const ScratchFolder scratch;
  import_gguf(kGolden / "llama.gguf", scratch / "whole");
  import_gguf(kGolden / "llama.gguf", scratch / "parts", {.shard_bytes = 30'000});
  const auto whole = ModelFolder::open(scratch / "whole"),
             parts = ModelFolder::open(scratch / "parts");
  EXPECT_GT(parts.weight_files().size(), 3u);
  EXPECT_EQ(parts.content_hash(), whole.content_hash());
}

void expect_ids(const std::filesystem::path& folder, const nlohmann::json& texts,
                const nlohmann::json& ids) {
  const auto tokenizer = load_tokenizer(folder);
  ASSERT_GE(texts.size(), 200u);
  ASSERT_EQ(texts.size(), ids.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    const auto row = tokenizer->encode(text);
    EXPECT_EQ(row, ids[i].get<std::vector<std::int32_t>>()) << texts[i];
    EXPECT_EQ(tokenizer->decode(row), text);
  }
}

// Ids of the sentencepiece library itself.
TEST(GgufImport, SentencePieceTokenizer) {
  const ScratchFolder scratch;
  const auto golden = read_json_file(kGolden / "sentencepiece.json");
  EXPECT_TRUE(import_gguf(kGolden / "sentencepiece.gguf", scratch / "m").tokenizer);
  expect_ids(scratch / "m", golden.at("texts"), golden.at("ids"));
  const auto written = read_json_file(scratch / "m" / "tokenizer.json");
  EXPECT_EQ(written.at("post_processor").at("type"), "TemplateProcessing");
  EXPECT_EQ(written.at("model").at("unk_token"), "<unk>");
}

GgufBuilder minimal(const std::string& pre) {
  GgufBuilder builder;
  builder.add("general.architecture", "llama");
  for (const char* key : {"context_length", "embedding_length", "block_count",
                          "feed_forward_length", "attention.head_count"}) {
    builder.add("llama." + std::string(key), std::uint32_t{2});
  }
  builder.add("llama.attention.layer_norm_rms_epsilon", 1e-6f);
  builder.floats("token_embd.weight", {2, 1}, {1, 2});
  if (!pre.empty()) builder.add("tokenizer.ggml.model", "gpt2").add("tokenizer.ggml.pre", pre);
  return builder;
}

void put_gguf(const std::filesystem::path& path, const GgufBuilder& builder) {
  put_file(path, builder.build());
}

// The byte-level vocabularies of tests/golden/tokenizers, as the conversion writes them.
TEST(GgufImport, ByteLevelTokenizers) {
  for (const auto& [pre, name] :
       {std::pair("gpt-2", "gpt2"), {"smollm", "smollm"}, {"llama-bpe", "llama3"}}) {
    SCOPED_TRACE(pre);
    const auto source = read_json_file(kTexts / (std::string(name) + ".tokenizer.json"));
    const auto& vocabulary = source.at("model").at("vocab");
    Strings tokens(vocabulary.size()), merges;
    std::vector<std::int32_t> types(vocabulary.size(), 1);
    for (const auto& item : vocabulary.items())
      tokens[item.value().get<std::size_t>()] = item.key();
    for (const auto& token : source.at("added_tokens"))
      types[token.at("id").get<std::size_t>()] = 3;
    for (const auto& pair : source.at("model").at("merges")) {
      merges.push_back(pair[0].get<std::string>() + " " + pair[1].get<std::string>());
    }
    GgufBuilder builder = minimal(pre);
    builder.add("tokenizer.ggml.tokens", tokens).add("tokenizer.ggml.merges", merges);
    builder.add("tokenizer.ggml.token_type", types);
    const ScratchFolder scratch;
    put_gguf(scratch / "m.gguf", builder);
    import_gguf(scratch / "m.gguf", scratch / "m");
    expect_ids(scratch / "m", read_json_file(kTexts / "texts.json"),
               read_json_file(kTexts / (std::string(name) + ".ids.json")));
  }
}

TEST(GgufImport, Llama3sPositionsComeFromTheirDivisors) {
  // Of base 500000, 4 frequencies and the factor 8, from the formula of the scaling by hand:
  // 1, 500000^-0.25, ...: turns in 8192 positions 1304, 49.0, 1.84 and 0.0693.
  const std::vector<float> divisors = {1, 1, 2.69453f, 8};
  GgufBuilder builder = minimal("");
  builder.add("llama.rope.freq_base", 500000.0f).floats("rope_freqs.weight", {4}, divisors);
  const ScratchFolder scratch;
  put_gguf(scratch / "m.gguf", builder);
  import_gguf(scratch / "m.gguf", scratch / "m");
  const auto scaling = read_json_file(scratch / "m" / "config.json").at("rope_scaling");
  EXPECT_EQ(scaling.at("rope_type"), "llama3");
  EXPECT_EQ(scaling.at("factor"), 8.0);
  builder = minimal("");
  builder.add("llama.rope.freq_base", 500000.0f).floats("rope_freqs.weight", {4}, {1, 2, 3, 8});
  put_gguf(scratch / "odd.gguf", builder);
  EXPECT_THAT(input_error_of([&] { import_gguf(scratch / "odd.gguf", scratch / "odd"); }),
              HasSubstr("scaling is not known"));
}

TEST(GgufImport, RefusesWithReasonAndWritesNothing) {
  const ScratchFolder scratch;
  const auto expect = [&](const GgufBuilder& builder, const char* message) {
    put_gguf(scratch / "m.gguf", builder);
    EXPECT_THAT(input_error_of([&] { import_gguf(scratch / "m.gguf", scratch / "m"); }),
                HasSubstr(message));
    EXPECT_FALSE(std::filesystem::exists(scratch / "m")) << message;
  };
  const auto tokens = [](GgufBuilder builder, const std::vector<float>& scores) {
    builder.add("tokenizer.ggml.model", "llama")
        .add("tokenizer.ggml.tokens", Strings{"a", "b", "ab", "ba"});
    builder.add("tokenizer.ggml.scores", scores);
    return builder;
  };
  GgufBuilder builder;
  expect(builder, "does not say its architecture");
  builder.add("general.architecture", "bert");
  expect(builder, "architecture 'bert', which is not known");
  expect(minimal("").floats("blk.0.attn_k_norm.weight", {1}, {1}), "blk.0.attn_k_norm.weight [1]");
  expect(minimal("").floats("blk.x.attn_k.weight", {1}, {1}), "blk.x.attn_k.weight");
  expect(minimal("").add("llama.rope.scaling.type", "yarn"), "by 'yarn'");
  expect(minimal("").add("llama.expert_count", 8u), "mixture of experts");
  expect(minimal("").add("split.count", 2u), "split over several files");
  expect(minimal("").add("tokenizer.ggml.model", "t5"), "of the kind 't5'");
  expect(minimal("tekken").add("tokenizer.ggml.tokens", Strings{"a"}), "pre-tokenizer 'tekken'");
  expect(minimal("default").add("tokenizer.ggml.tokens", Strings{"a"}), "which pre-tokenizer");
  expect(minimal("gpt-2"), "has no 'tokenizer.ggml.tokens'");
  expect(minimal("gpt-2").add("tokenizer.ggml.tokens", Strings{"a"}), "tokenizer.ggml.merges");
  expect(tokens(minimal(""), {0, 0, -1}), "3 scores for 4 tokens");
  expect(tokens(minimal(""), {0, 0, -1, -1}), "'ab' and 'ba' have the same score");
  expect(tokens(minimal(""), {0, 0, -1, -2}).add("tokenizer.ggml.bos_token_id", 4u), "not the id");
  builder = {};
  builder.add("general.architecture", "llama").floats("token_embd.weight", {2, 1}, {1, 2});
  expect(builder, "has no 'llama.embedding_length'");
  builder = minimal("");
  std::filesystem::create_directories(scratch / "full" / "x");
  put_gguf(scratch / "m.gguf", builder);
  EXPECT_THAT(input_error_of([&] { import_gguf(scratch / "m.gguf", scratch / "full"); }),
              HasSubstr("not an empty folder"));
  EXPECT_FALSE(import_gguf(scratch / "m.gguf", scratch / "m", {.tokenizer = false}).tokenizer);
}

TEST(GgufImport, ShapesThatDoNotFitAreNamed) {
  const ScratchFolder scratch;
  put_gguf(scratch / "m.gguf",
           minimal("").floats("blk.0.attn_q.weight", {2, 3}, {1, 2, 3, 4, 5, 6}));
  EXPECT_THAT(input_error_of([&] { import_gguf(scratch / "m.gguf", scratch / "m"); }),
              HasSubstr("'blk.0.attn_q.weight'"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "m" / "config.json"));
}

}  // namespace
}  // namespace peryton
