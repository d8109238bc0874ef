// SPDX-License-Identifier: Apache-2.0
#include "framework/data/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include "framework/data/byte_alphabet.h"

namespace peryton {
namespace {

using Json = nlohmann::json;

constexpr const char* kEndOfText = "<|endoftext|>";

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

Json pre_tokenizer(BpeDescription::Words words) {
  if (words != BpeDescription::Words::kGpt2SingleDigits) {
    return byte_level(words == BpeDescription::Words::kGpt2);
  }
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({digits, byte_level(true)})}};
}

Json model(const BpeDescription& description) {
  std::vector<std::string> spelt;
  Json vocabulary = Json::object(), merges = Json::array();
  for (const std::string& token : description.vocabulary) {
    const auto id = static_cast<std::int32_t>(spelt.size());
    spelt.push_back(id == description.end_of_text ? kEndOfText : to_byte_alphabet(token));
    vocabulary[spelt.back()] = id;
  }
  if (description.end_of_text == static_cast<std::int32_t>(spelt.size())) {
    vocabulary[kEndOfText] = description.end_of_text;
  }
  for (const auto& [left, right] : description.merges) {
    merges.push_back(spelt[static_cast<std::size_t>(left)] + " " +
                     spelt[static_cast<std::size_t>(right)]);
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"vocab", std::move(vocabulary)},
          {"merges", std::move(merges)}};
}

}  // namespace

std::string pre_tokenizer_json(BpeDescription::Words words) { return pre_tokenizer(words).dump(); }

std::string tokenizer_json(const BpeDescription& description) {
  const Json end_of_text = {{"id", description.end_of_text},
                            {"content", kEndOfText},
                            {"single_word", false},
                            {"lstrip", false},
                            {"rstrip", false},
                            {"normalized", false},
                            {"special", true}};
  const Json json = {
      {"version", "1.0"},           {"truncation", nullptr},
      {"padding", nullptr},         {"added_tokens", Json::array({end_of_text})},
      {"normalizer", nullptr},      {"pre_tokenizer", pre_tokenizer(description.words)},
      {"post_processor", nullptr},  {"decoder", byte_level(true)},
      {"model", model(description)}};
  return json.dump(1) + "\n";
}

}  // namespace peryton
