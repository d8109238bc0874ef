// SPDX-License-Identifier: Apache-2.0
#include "framework/data/bpe_trainer.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <nlohmann/json.hpp>
#include <queue>
#include <unordered_map>

#include "framework/core/error.h"
#include "framework/data/byte_alphabet.h"
#include "framework/data/pair_table.h"
#include "framework/data/pre_tokenizer.h"
#include "framework/data/tokenizer_json.h"
#include "kernels/common/context.h"

namespace peryton {
namespace {

using WordCounts = std::unordered_map<std::string, std::int64_t>;

WordCounts count_words(std::span<const std::string_view> texts, const PreTokenizer& words,
                       int threads) {
  WordCounts total;
  std::mutex mutex;
  constexpr std::int64_t kTextsPerTask = 16;
  const kernels::Context context{.device = {}, .threads = threads};
  const auto count = static_cast<std::int64_t>(texts.size());
  kernels::parallel_blocks(
      context, count, kTextsPerTask, [&](std::int64_t begin, std::int64_t end) {
        WordCounts counts;
        for (std::int64_t i = begin; i < end; ++i) {
          words.for_each_word(texts[static_cast<std::size_t>(i)], /*at_start=*/true,
                              [&](std::string_view word) { ++counts[std::string(word)]; });
        }
        const std::lock_guard lock(mutex);
        for (const auto& [word, times] : counts) total[word] += times;
      });
  return total;
}

class Trainer {
 public:
  explicit Trainer(const WordCounts& counts) {
    add_alphabet();
    for (const auto& [text, count] : counts) {
      Word word{{}, count};
      for (const char byte : text)
        word.symbols.push_back(byte_ids_[static_cast<std::uint8_t>(byte)]);
      words_.push_back(std::move(word));
    }
    for (std::size_t w = 0; w < words_.size(); ++w) {
      const auto& symbols = words_[w].symbols;
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
        change(symbols[i], symbols[i + 1], w, +1);
    }
    pairs_.for_each([&](std::int32_t left, std::int32_t right, const Pair& pair) {
      queue_.push({pair.count, left, right});
    });
  }

  std::int64_t size() const { return static_cast<std::int64_t>(description_.vocabulary.size()); }
  BpeDescription& description() { return description_; }

  // Makes one more merge; false where no pair is frequent enough.
  bool step(std::int64_t min_count) {
    while (!queue_.empty()) {
      Candidate top = queue_.top();
      queue_.pop();
      Pair& pair = pairs_(top.left, top.right);
      if (top.count != pair.count) {  // it became rarer since it was queued
        top.count = pair.count;
        queue_.push(top);
        continue;
      }
      if (top.count < std::max<std::int64_t>(min_count, 1)) return false;
      merge(top.left, top.right, std::exchange(pair.words, {}));
      return true;
    }
    return false;
  }

 private:
  struct Word {
    std::vector<std::int32_t> symbols;
    std::int64_t count;
  };
  struct Pair {
    std::int64_t count = 0;
    std::vector<std::uint32_t> words;  // those that may hold it
  };
  struct Candidate {
    std::int64_t count;
    std::int32_t left, right;
    bool operator<(const Candidate& other) const {
      if (count != other.count) return count < other.count;
      return std::pair(left, right) > std::pair(other.left, other.right);
    }
  };

  // Ids in the order in which the reference trainer gives them: <|endoftext|>, then the stand-ins
  // by code point.
  void add_alphabet() {
    add_token("<|endoftext|>");
    std::array<int, 256> bytes{};
    for (int byte = 0; byte < 256; ++byte) bytes[static_cast<std::size_t>(byte)] = byte;
    std::sort(bytes.begin(), bytes.end(), [](int a, int b) {
      return character_of_byte(static_cast<std::uint8_t>(a)) <
             character_of_byte(static_cast<std::uint8_t>(b));
    });
    for (const int byte : bytes) {
      byte_ids_[static_cast<std::size_t>(byte)] =
          add_token(std::string(1, static_cast<char>(byte)));
    }
  }

  // Two pairs can spell the same token; it then keeps its first id.
  std::int32_t add_token(const std::string& bytes) {
    const auto [entry, is_new] = ids_.emplace(bytes, static_cast<std::int32_t>(size()));
    if (is_new) description_.vocabulary.push_back(bytes);
    return entry->second;
  }

  void change(std::int32_t left, std::int32_t right, std::size_t word, int sign) {
    Pair& pair = pairs_(left, right);
    pair.count += sign * words_[word].count;
    if (sign < 0) return;
    if (pair.words.empty() || pair.words.back() != word) {
      pair.words.push_back(static_cast<std::uint32_t>(word));
    }
  }

  void merge(std::int32_t left, std::int32_t right, const std::vector<std::uint32_t>& words) {
    const std::string bytes = description_.vocabulary[static_cast<std::size_t>(left)] +
                              description_.vocabulary[static_cast<std::size_t>(right)];
    const std::int32_t id = add_token(bytes);
    description_.merges.emplace_back(left, right);
    grown_.clear();
    for (const std::uint32_t word : words) merge_word(word, left, right, id);
    std::sort(grown_.begin(), grown_.end());
    grown_.erase(std::unique(grown_.begin(), grown_.end()), grown_.end());
    for (const auto& [a, b] : grown_) {
      const std::int64_t count = pairs_(a, b).count;
      if (count > 0) queue_.push({count, a, b});
    }
  }

  void grow(std::int32_t left, std::int32_t right, std::size_t word) {
    change(left, right, word, +1);
    grown_.emplace_back(left, right);
  }

  void merge_word(std::size_t word, std::int32_t left, std::int32_t right, std::int32_t id) {
    auto& symbols = words_[word].symbols;
    std::size_t out = 0;
    for (std::size_t i = 0; i < symbols.size(); ++i, ++out) {
      if (symbols[i] != left || i + 1 == symbols.size() || symbols[i + 1] != right) {
        symbols[out] = symbols[i];
        continue;
      }
      if (out > 0) {
        change(symbols[out - 1], left, word, -1);
        grow(symbols[out - 1], id, word);
      }
      if (i + 2 < symbols.size()) {
        change(right, symbols[i + 2], word, -1);
        grow(id, symbols[i + 2], word);
      }
      symbols[out] = id;
      ++i;
    }
    symbols.resize(out);
  }

  BpeDescription description_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::array<std::int32_t, 256> byte_ids_{};
  std::vector<Word> words_;
  PairTable<Pair> pairs_;
  std::priority_queue<Candidate> queue_;
  std::vector<std::pair<std::int32_t, std::int32_t>> grown_;  // pairs that one merge made
};

}  // namespace

std::string train_bpe(std::span<const std::string_view> texts, const BpeTraining& settings,
                      const std::function<void(std::int64_t, std::int64_t)>& progress) {
  if (settings.vocabulary < 257) {
    fail_input(fmt::format("a vocabulary of {} is too small", settings.vocabulary), "",
               "a byte-level vocabulary holds at least the 256 bytes and <|endoftext|>: 257");
  }
  BpeDescription form;
  form.words = settings.split_digits ? BpeDescription::Words::kGpt2SingleDigits
                                     : BpeDescription::Words::kGpt2;
  const PreTokenizer words(nlohmann::json::parse(pre_tokenizer_json(form.words)), "");
  const WordCounts counts = count_words(texts, words, settings.threads);
  if (counts.empty()) fail_input("there is no text to learn a vocabulary from");
  Trainer trainer(counts);
  while (trainer.size() < settings.vocabulary && trainer.step(settings.min_count)) {
    if (progress && trainer.size() % 64 == 0) progress(trainer.size(), settings.vocabulary);
  }
  trainer.description().words = form.words;
  return tokenizer_json(trainer.description());
}

}  // namespace peryton
