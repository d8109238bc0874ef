// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gguf/tokenizer.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "framework/core/error.h"
#include "framework/families/gguf/merges.h"
#include "framework/families/gguf/words.h"

namespace peryton::gguf {
namespace {

using nlohmann::json;

constexpr const char* kSpace = "\u2581";  // SentencePiece's stand-in

// tokenizer.ggml.token_type
enum TokenType : std::int64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<std::int64_t> types;
};

std::string key(const char* name) { return std::string("tokenizer.ggml.") + name; }

Vocabulary read_vocabulary(const GgufFile& file) {
  Vocabulary vocabulary{file.texts(key("tokens")), file.integers(key("token_type"))};
  if (vocabulary.tokens.empty()) fail_input("has no '" + key("tokens") + "'", file.where());
  if (vocabulary.types.empty()) vocabulary.types.assign(vocabulary.tokens.size(), kNormal);
  if (vocabulary.types.size() != vocabulary.tokens.size()) {
    fail_input(fmt::format("has {} entries for {} tokens", vocabulary.types.size(),
                           vocabulary.tokens.size()),
               file.place_of(key("token_type")));
  }
  return vocabulary;
}

// Token of an id that the metadata name; null where they name none.
json token_named(const GgufFile& file, const Vocabulary& vocabulary, const char* name) {
  const auto id = file.integer(key(name));
  if (!id) return nullptr;
  if (*id < 0 || *id >= static_cast<std::int64_t>(vocabulary.tokens.size())) {
    fail_input(fmt::format("{} is not the id of one of {} tokens", *id, vocabulary.tokens.size()),
               file.place_of(key(name)));
  }
  return vocabulary.tokens[static_cast<std::size_t>(*id)];
}

json vocabulary_json(const Vocabulary& vocabulary) {
  json ids = json::object();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (vocabulary.types[id] == kUnused) continue;
    ids.emplace(vocabulary.tokens[id], id);  // of two equal tokens the first is the one
  }
  return ids;
}

json added_tokens(const Vocabulary& vocabulary) {
  json added = json::array();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const std::int64_t type = vocabulary.types[id];
    if (type != kUnknown && type != kControl && type != kUserDefined) continue;
    added.push_back({{"id", id},
                     {"content", vocabulary.tokens[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", type != kUserDefined}});
  }
  return added;
}

json model_json(const Vocabulary& vocabulary, json merges) {
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", vocabulary_json(vocabulary)},
          {"merges", std::move(merges)}};
}

json byte_level_json(const GgufFile& file, const Vocabulary& vocabulary,
                     const Architecture& architecture) {
  const std::string named = file.text(key("pre")).value_or("");
  if ((named.empty() || named == "default") && architecture.default_words == nullptr) {
    fail_input("does not say which pre-tokenizer its vocabulary goes with", file.where(),
               "set tokenizer.ggml.pre, for example with gguf-py's gguf_set_metadata.py, or import "
               "the weights alone with --without-tokenizer");
  }
  const bool unnamed = named.empty() || named == "default";
  const json words =
      words_named(unnamed ? architecture.default_words : named, file.place_of(key("pre")));
  json model = model_json(vocabulary, file.texts(key("merges")));
  if (model["merges"].empty()) fail_input("has no '" + key("merges") + "'", file.where());
  model["ignore_merges"] = words["ignore_merges"];
  return {{"normalizer", words["normalizer"]},
          {"pre_tokenizer", words["pre_tokenizer"]},
          {"decoder",
           {{"type", "ByteLevel"},
            {"add_prefix_space", true},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"model", std::move(model)}};
}

json sentencepiece_merges(const GgufFile& file, const Vocabulary& vocabulary) {
  const std::vector<double> scores = file.numbers(key("scores"));
  if (scores.size() != vocabulary.tokens.size()) {
    fail_input(fmt::format("has {} scores for {} tokens", scores.size(), vocabulary.tokens.size()),
               file.place_of(key("scores")));
  }
  std::vector<std::pair<std::string, double>> normal;
  for (std::size_t id = 0; id < scores.size(); ++id) {
    if (vocabulary.types[id] == kNormal) normal.emplace_back(vocabulary.tokens[id], scores[id]);
  }
  json merges = json::array();
  for (const auto& [left, right] : merges_of(normal, file.place_of(key("scores")))) {
    merges.push_back({left, right});
  }
  return merges;
}

json sentencepiece_normalizer(bool prefix) {
  const json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}};
  if (!prefix) return replace;
  const json prepend = {{"type", "Prepend"}, {"prepend", kSpace}};
  return {{"type", "Sequence"}, {"normalizers", json::array({prepend, replace})}};
}

json sentencepiece_decoder(bool prefix) {
  json steps =
      json::array({{{"type", "Replace"}, {"pattern", {{"String", kSpace}}}, {"content", " "}},
                   {{"type", "ByteFallback"}},
                   {{"type", "Fuse"}}});
  if (prefix) {
    steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  return {{"type", "Sequence"}, {"decoders", std::move(steps)}};
}

json sentencepiece_json(const GgufFile& file, const Vocabulary& vocabulary) {
  const auto flag = [&](const char* name, bool fallback) {
    return file.integer(key(name)).value_or(fallback) != 0;
  };
  for (const char* name : {"precompiled_charsmap", "remove_extra_whitespaces"}) {
    if (!file.has(key(name)) ||
        (file.metadata().at(key(name)).type() == GgufValueType::kBool && !flag(name, false)))
      continue;
    fail_input("changes the text before it is encoded in a way that is not supported",
               file.place_of(key(name)),
               "the weights alone can be imported with --without-tokenizer");
  }
  json model = model_json(vocabulary, sentencepiece_merges(file, vocabulary));
  json unknown = token_named(file, vocabulary, "unknown_token_id");
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (vocabulary.types[id] == kByte) model["byte_fallback"] = true;
    if (vocabulary.types[id] == kUnknown && unknown.is_null()) unknown = vocabulary.tokens[id];
  }
  model["unk_token"] = std::move(unknown);
  model["fuse_unk"] = true;
  const bool prefix = flag("add_space_prefix", true);
  return {{"normalizer", sentencepiece_normalizer(prefix)},
          {"pre_tokenizer", nullptr},
          {"decoder", sentencepiece_decoder(prefix)},
          {"model", std::move(model)}};
}

json tokenizer_config(const GgufFile& file, const Vocabulary& vocabulary) {
  json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false}};
  for (const auto& [name, id] : {std::pair("bos_token", "bos_token_id"),
                                 {"eos_token", "eos_token_id"},
                                 {"unk_token", "unknown_token_id"},
                                 {"pad_token", "padding_token_id"}}) {
    const json token = token_named(file, vocabulary, id);
    if (!token.is_null()) config[name] = token;
  }
  if (const auto chat = file.text("tokenizer.chat_template")) config["chat_template"] = *chat;
  return config;
}

// What transformers puts in front of every text.
json post_processor(const GgufFile& file, const Vocabulary& vocabulary, bool by_default) {
  const json begin = token_named(file, vocabulary, "bos_token_id");
  if (begin.is_null() || file.integer(key("add_bos_token")).value_or(by_default) == 0) return {};
  const auto special = [&](int type) -> json {
    return {{"SpecialToken", {{"id", begin}, {"type_id", type}}}};
  };
  const auto text = [](const char* id, int type) -> json {
    return {{"Sequence", {{"id", id}, {"type_id", type}}}};
  };
  const json ids = json::array({file.integer(key("bos_token_id")).value()});
  return {{"type", "TemplateProcessing"},
          {"single", json::array({special(0), text("A", 0)})},
          {"pair", json::array({special(0), text("A", 0), special(1), text("B", 1)})},
          {"special_tokens",
           {{begin.get<std::string>(),
             {{"id", begin}, {"ids", ids}, {"tokens", json::array({begin})}}}}}};
}

}  // namespace

std::optional<TokenizerFiles> tokenizer_of(const GgufFile& file, const Architecture& architecture) {
  const std::string kind = file.text(key("model")).value_or("none");
  if (kind == "none" || kind == "no_vocab") return std::nullopt;
  if (kind != "gpt2" && kind != "llama") {
    fail_input(fmt::format("has a tokenizer of the kind '{}', which is not supported", kind),
               file.where(),
               "supported: gpt2 (byte-level BPE) and llama (SentencePiece BPE); the weights alone "
               "can be imported with --without-tokenizer");
  }
  const Vocabulary vocabulary = read_vocabulary(file);
  json tokenizer = kind == "gpt2" ? byte_level_json(file, vocabulary, architecture)
                                  : sentencepiece_json(file, vocabulary);
  tokenizer["version"] = "1.0";
  tokenizer["truncation"] = nullptr;
  tokenizer["padding"] = nullptr;
  tokenizer["added_tokens"] = added_tokens(vocabulary);
  tokenizer["post_processor"] = post_processor(file, vocabulary, kind == "llama");
  return TokenizerFiles{std::move(tokenizer), tokenizer_config(file, vocabulary)};
}

}  // namespace peryton::gguf
