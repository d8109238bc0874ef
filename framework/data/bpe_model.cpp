// SPDX-License-Identifier: Apache-2.0
#include "framework/data/bpe_model.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <queue>

#include "framework/core/error.h"
#include "framework/data/byte_alphabet.h"
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

BpeModel::BpeModel(const nlohmann::json& field, const std::string& where) {
  const std::string type = field.value("type", "BPE");
  if (type != "BPE") fail_input(fmt::format("model: type '{}' is not supported", type), where);
  for (const char* name :
       {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"}) {
    refuse(field, name, where);
  }
  read_vocabulary(field, where);
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
    const auto id = value.get<std::int32_t>();
    vocabulary_.emplace(token, id);
    const auto bytes = from_byte_alphabet(token);
    if (!bytes) continue;  // only reachable as an added token
    if (bytes->size() == 1) byte_ids_[static_cast<std::uint8_t>(bytes->front())] = id;
    if (skip_merges) whole_words_.emplace(*bytes, id);
  }
  if (field.contains("unk_token") && field["unk_token"].is_string()) {
    const auto found = vocabulary_.find(field["unk_token"].get<std::string>());
    if (found == vocabulary_.end()) fail_input("model.unk_token is not in model.vocab", where);
    unknown_ = found->second;
    fuse_unknown_ = field.value("fuse_unk", false);
  }
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

void BpeModel::append_bytes(std::string_view word, std::vector<std::int32_t>& symbols) const {
  bool after_unknown = false;
  for (const char byte : word) {
    const std::int32_t id = byte_ids_[static_cast<std::uint8_t>(byte)];
    if (id >= 0) {
      symbols.push_back(id);
    } else if (unknown_ >= 0 && !(fuse_unknown_ && after_unknown)) {
      symbols.push_back(unknown_);
    }
    after_unknown = id < 0;
  }
}

void BpeModel::encode_word(std::string_view word, std::vector<std::int32_t>& ids) const {
  if (!whole_words_.empty()) {
    const auto found = whole_words_.find(std::string(word));
    if (found != whole_words_.end()) return ids.push_back(found->second);
  }
  std::vector<std::int32_t> symbols;
  append_bytes(word, symbols);
  constexpr std::size_t kShort = 48;  // below it, looking at every pair again is faster than a heap
  symbols.size() <= kShort ? merge_short(symbols) : merge_long(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

void BpeModel::merge_short(std::vector<std::int32_t>& symbols) const {
  while (symbols.size() > 1) {
    Merge best{std::numeric_limits<std::int32_t>::max(), 0};
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const Merge* merge = merges_.find(symbols[i], symbols[i + 1]);
      if (merge != nullptr && merge->rank < best.rank) best = *merge, at = i;
    }
    if (best.rank == std::numeric_limits<std::int32_t>::max()) return;
    symbols[at] = best.id;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

// The same by a heap of candidate merges over a linked list: O(n log n).
void BpeModel::merge_long(std::vector<std::int32_t>& symbols) const {
  struct Candidate {
    std::int32_t rank, at, left, right;
    bool operator<(const Candidate& other) const {  // the heap's top is the lowest rank, leftmost
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  const auto count = static_cast<std::int32_t>(symbols.size());
  std::vector<std::int32_t> next(symbols.size()), previous(symbols.size());
  std::priority_queue<Candidate> heap;
  const auto id = [&](std::int32_t i) -> std::int32_t& {
    return symbols[static_cast<std::size_t>(i)];
  };
  const auto after = [&](std::int32_t i) -> std::int32_t& {
    return next[static_cast<std::size_t>(i)];
  };
  const auto before = [&](std::int32_t i) -> std::int32_t& {
    return previous[static_cast<std::size_t>(i)];
  };
  const auto consider = [&](std::int32_t i) {
    if (i < 0 || after(i) >= count) return;
    const Merge* merge = merges_.find(id(i), id(after(i)));
    if (merge != nullptr) heap.push({merge->rank, i, id(i), id(after(i))});
  };
  for (std::int32_t i = 0; i < count; ++i) after(i) = i + 1, before(i) = i - 1;
  for (std::int32_t i = 0; i < count; ++i) consider(i);
  while (!heap.empty()) {
    const Candidate top = heap.top();
    heap.pop();
    const std::int32_t right = after(top.at);
    // Stale: one of the two has been merged since (-1 marks the consumed).
    if (id(top.at) != top.left || right >= count || id(right) != top.right) continue;
    id(top.at) = merges_.find(top.left, top.right)->id;
    id(right) = -1;
    after(top.at) = after(right);
    if (after(right) < count) before(after(right)) = top.at;
    consider(before(top.at));
    consider(top.at);
  }
  std::erase(symbols, -1);
}

}  // namespace peryton
