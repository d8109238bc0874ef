// Body of generate: one sample per model and prompt, written to samples.json. Rank 0 works.
// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/files.h"
#include "framework/data/prepare.h"
#include "framework/eval/generation.h"
#include "framework/train/machine.h"
#include "framework/train/model_builder.h"
#include "framework/train/stage_bodies.h"

namespace peryton {
namespace {

constexpr std::int64_t kOpeningTokens = 24;
constexpr std::int64_t kOpenings = 2;

// The configured prompts, or openings of test documents.
std::vector<std::vector<std::int32_t>> prompts_of(const StageContext& context,
                                                  const PreparedData& data,
                                                  const Tokenizer& tokenizer) {
  std::vector<std::vector<std::int32_t>> prompts;
  for (const std::string& text : context.stage.generate.prompts) {
    prompts.push_back(tokenizer.encode(text));
  }
  if (!prompts.empty()) return prompts;
  const auto file = TokenFile::open(data.test.empty() ? data.train.front().path : data.test);
  for (std::int64_t d = 0; d < file->documents() && std::ssize(prompts) < kOpenings; ++d) {
    if (file->document_tokens(d) < kOpeningTokens) continue;
    std::vector<std::int32_t> ids;
    for (std::int64_t t = 0; t < kOpeningTokens; ++t) {
      ids.push_back(file->token(file->document_begin(d) + 1 + t));
    }
    prompts.push_back(std::move(ids));
  }
  return prompts;
}

// Of a stage, or of a component that no stage made.
std::filesystem::path model_folder(const StageContext& context, const std::string& name) {
  const auto made = context.inputs.find(name);
  return made == context.inputs.end() ? component_folder(context, name) : made->second / "model";
}

// Samples must be UTF-8: a token can end inside a character.
std::string printable(const std::string& text) {
  nlohmann::json json = text;
  return nlohmann::json::parse(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

StageResult run_generate_stage(StageContext& context) {
  StageResult result;
  result.outputs = {"samples.json"};
  if (context.world.rank() == 0) {
    const GenerateConfig& config = context.stage.generate;
    const PreparedData data = open_prepared_data(context.inputs.at("data"));
    const auto tokenizer = load_tokenizer(data.tokenizer);
    const FamilyRegistry registry = all_families();
    const auto prompts = prompts_of(context, data, *tokenizer);
    nlohmann::ordered_json samples = nlohmann::ordered_json::array();
    for (const std::string& name : config.models) {
      const StoredModel stored = load_model(model_folder(context, name), registry,
                                            only_read(tokenizer->vocabulary_size()));
      pack_frozen(stored, /*saved_again=*/false);
      for (const auto& prompt : prompts) {
        std::vector<std::int32_t> input{tokenizer->end_of_text().value_or(0)};
        input.insert(input.end(), prompt.begin(), prompt.end());
        const auto made = generate(*stored.model, input,
                                   {.length = config.length,
                                    .temperature = config.temperature,
                                    .top_k = config.top_k,
                                    .top_p = config.top_p,
                                    .end_of_text = tokenizer->end_of_text().value_or(-1),
                                    .seed = context.config.run.seed},
                                   {.device = {}, .threads = context.threads});
        samples.push_back({{"model", name},
                           {"prompt", printable(tokenizer->decode(prompt))},
                           {"text", printable(tokenizer->decode_continuation(made))}});
      }
    }
    atomic_write_file(context.stage_folder / "samples.json", samples.dump(1) + "\n");
    result.peak_memory_bytes = static_cast<std::uint64_t>(peak_resident_bytes());
  }
  context.world.barrier();
  return result;
}

}  // namespace peryton
