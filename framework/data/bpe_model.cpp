// SPDX-License-Identifier: Apache-2.0
#include "framework/data/bpe_model.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/data/byte_alphabet.h"
#include "framework/data/token_decoder.h"
#include "framework/data/utf8.h"

namespace peryton {
namespace {

// A field that must be absent, null, false, zero or empty.
void refuse(const nlohmann::json& model, const char* name, const std::string& where) {
  const auto field = model.find(name);
  if (field == model.end() || field->is_null()) return;
  const bool neutral = (field->is_boolean() && !field->get<bool>()) ||
                       (field->is_number() && field->get<double>() == 0) ||
                       (field->is_string() && field->get<std::string>().empty());
  if (!neutral)
    fail_input(fmt::format("model.{} = {} is not supported", name, field->dump()), where);
}

}  // namespace

BpeModel::BpeModel(const nlohmann::json& field, BpeAlphabet alphabet, const std::string& where)
    : alphabet_(alphabet) {
  const std::string type = field.value("type", "BPE");
  if (type != "BPE") fail_input(fmt::format("model: type '{}' is not supported", type), where);
  for (const char* name : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    refuse(field, name, where);
  }
  byte_fallback_ = field.value("byte_fallback", false);
  read_vocabulary(field, where);
  read_unknown(field, where);
  read_merges(field, where);
}

void BpeModel::read_vocabulary(const nlohmann::json& field, const std::string& where) {
  const auto vocabulary = field.find("vocab");
  if (vocabulary == field.end() || !vocabulary->is_object()) {
    fail_input("model.vocab is missing or not an object", where);
  }
  const bool skip_merges = field.value("ignore_merges", false);
  byte_ids_.fill(-1);
  for (const auto& [token, value] : vocabulary->items()) {
    if (!value.is_number_integer() || value.get<std::int64_t>() < 0 ||
        value.get<std::int64_t>() > std::numeric_limits<std::int32_t>::max() - 1) {
      fail_input(fmt::format("model.vocab: the id of '{}' is not an id", token), where);
    }
    add_token(token, value.get<std::int32_t>(), skip_merges);
  }
  const bool has_all_bytes = std::ranges::count(byte_ids_, -1) == 0;
  if (byte_fallback_ && alphabet_ == BpeAlphabet::kBytes && !has_all_bytes) {
    fail_input("model.byte_fallback with a ByteLevel vocabulary that lacks bytes is not supported",
               where);
  }
}

void BpeModel::add_token(const std::string& token, std::int32_t id, bool skip_merges) {
  vocabulary_.emplace(token, id);
  if (alphabet_ == BpeAlphabet::kBytes) {
    const auto bytes = from_byte_alphabet(token);
    if (!bytes) return;  // only reachable as an added token
    if (bytes->size() == 1) byte_ids_[static_cast<std::uint8_t>(bytes->front())] = id;
    if (skip_merges) whole_words_.emplace(*bytes, id);
    return;
  }
  if (token.empty()) return;
  const Character first = character_at(token, 0);
  if (first.bytes == token.size()) character_ids_.emplace(first.code, id);
  const int byte = byte_of_fallback(token);
  if (byte >= 0) byte_ids_[static_cast<std::size_t>(byte)] = id;
  if (skip_merges) whole_words_.emplace(token, id);
}

void BpeModel::read_unknown(const nlohmann::json& field, const std::string& where) {
  const auto name = field.find("unk_token");
  if (name == field.end() || !name->is_string()) return;
  const auto found = vocabulary_.find(name->get<std::string>());
  if (found == vocabulary_.end()) fail_input("model.unk_token is not in model.vocab", where);
  unknown_ = found->second;
  fuse_unknown_ = field.value("fuse_unk", false);
}

void BpeModel::read_merges(const nlohmann::json& field, const std::string& where) {
  const auto merges = field.find("merges");
  if (merges == field.end() || !merges->is_array()) {
    fail_input("model.merges is missing or not a list", where);
  }
  std::int32_t rank = 0;
  for (const auto& merge : *merges) {
    if (merge.is_array() && merge.size() == 2) {
      add_merge(merge[0].get<std::string>(), merge[1].get<std::string>(), rank++, where);
      continue;
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : "";
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
      fail_input(fmt::format("model.merges[{}] = {} is not a pair of tokens", rank, merge.dump()),
                 where);
    }
    add_merge(text.substr(0, space), text.substr(space + 1), rank++, where);
  }
}

void BpeModel::add_merge(const std::string& left, const std::string& right, std::int32_t rank,
                         const std::string& where) {
  const auto id_of = [&](const std::string& token) {
    const auto found = vocabulary_.find(token);
    if (found == vocabulary_.end()) {
      fail_input(fmt::format("model.merges[{}]: token '{}' is not in model.vocab", rank, token),
                 where);
    }
    return found->second;
  };
  merges_(id_of(left), id_of(right)) = {rank, id_of(left + right)};
}

}  // namespace peryton
