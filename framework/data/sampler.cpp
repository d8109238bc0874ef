// SPDX-License-Identifier: Apache-2.0
#include "framework/data/sampler.h"

#include <algorithm>
#include <cmath>

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/data/permutation.h"

namespace peryton {
namespace {

// Samples of each file in a period of kPeriod: in proportion to the weights, at least one.
std::vector<std::int64_t> shares(const std::vector<WeightedTokenFile>& files, std::int64_t period) {
  double total = 0;
  for (const auto& file : files) total += file.weight;
  std::vector<std::int64_t> counts;
  for (const auto& file : files) {
    const double exact = file.weight / total * static_cast<double>(period);
    counts.push_back(std::max<std::int64_t>(1, std::llround(exact)));
  }
  return counts;
}

// Spreads the files evenly over the period: each slot goes to the file that is furthest behind its
// share.
std::vector<int> interleave(const std::vector<std::int64_t>& counts) {
  std::int64_t period = 0;
  for (const auto count : counts) period += count;
  std::vector<std::int64_t> credit(counts.size(), 0);
  std::vector<int> schedule;
  for (std::int64_t slot = 0; slot < period; ++slot) {
    for (std::size_t k = 0; k < counts.size(); ++k) credit[k] += counts[k];
    const auto best = std::max_element(credit.begin(), credit.end());
    *best -= period;
    schedule.push_back(static_cast<int>(best - credit.begin()));
  }
  return schedule;
}

void check(const std::vector<WeightedTokenFile>& files) {
  if (files.empty()) fail_input("no token file to train on");
  for (const auto& file : files) {
    PERYTON_CHECK(file.file != nullptr);
    if (file.file->documents() == 0)
      fail_input("the token file is empty", file.file->path().string());
    if (file.file->tokenizer_hash() != files.front().file->tokenizer_hash()) {
      fail_input(
          fmt::format("made with another tokenizer than {}", files.front().file->path().string()),
          file.file->path().string());
    }
    if (!(file.weight >= 0) || (file.weight > 0) != (files.front().weight > 0)) {
      fail_input("weights must be positive for all sources, or left out for all");
    }
  }
}

}  // namespace

TokenSource::TokenSource(std::vector<WeightedTokenFile> files, std::uint64_t seed)
    : files_(std::move(files)), seed_(seed) {
  check(files_);
  for (auto& file : files_) {
    if (file.weight == 0) file.weight = static_cast<double>(file.file->tokens());
  }
  constexpr std::int64_t kPeriod = 4096;
  per_period_ = shares(files_, files_.size() == 1 ? 1 : kPeriod);
  schedule_ = interleave(per_period_);
  std::vector<std::int64_t> seen(files_.size(), 0);
  for (const int file : schedule_) rank_.push_back(seen[static_cast<std::size_t>(file)]++);
}

TokenRow TokenSource::sample(std::int64_t index, int length) const {
  PERYTON_CHECK(index >= 0 && length >= 1);
  const auto period = static_cast<std::int64_t>(schedule_.size());
  const auto slot = static_cast<std::size_t>(index % period);
  const int file = schedule_[slot];
  return window(file, index / period * per_period_[static_cast<std::size_t>(file)] + rank_[slot],
                length);
}

TokenRow TokenSource::window(int number, std::int64_t index, int length) const {
  const TokenFile& file = *files_[static_cast<std::size_t>(number)].file;
  const std::int64_t ring = file.tokens();
  const std::int64_t windows = std::max<std::int64_t>(1, ring / length);
  const auto epoch = static_cast<std::uint64_t>(index / windows);
  // One stream of random numbers for each file and epoch; value 2^63 of it is not used by the
  // permutation.
  const Rng rng(seed_, RandomPurpose::kDataOrder, epoch << 16 | static_cast<std::uint64_t>(number));
  const auto shift = static_cast<std::int64_t>(
      rng.below(std::uint64_t{1} << 63, static_cast<std::uint64_t>(ring)));
  const Permutation order(rng, static_cast<std::uint64_t>(windows));
  const auto place = static_cast<std::int64_t>(order(static_cast<std::uint64_t>(index % windows)));
  std::int64_t at = (shift + place * length) % ring;

  TokenRow row;
  row.ids.reserve(static_cast<std::size_t>(length) + 1);
  std::int64_t document = file.document_at(at);
  std::int64_t end = file.document_begin(document + 1);
  std::int32_t start = 0;  // the first document may have begun before the row
  for (std::int32_t t = 0; t <= length; ++t, ++at) {
    if (at == end) {
      if (++document == file.documents()) at = document = 0;
      end = file.document_begin(document + 1);
      start = t;
    }
    row.ids.push_back(file.token(at));
    if (t < length) row.document_start.push_back(start);
    if (t > 0) row.loss_mask.push_back(file.learnt(at) ? 1 : 0);
  }
  return row;
}

std::int64_t TokenSource::tokens() const {
  std::int64_t total = 0;
  for (const auto& file : files_) total += file.file->tokens();
  return total;
}

}  // namespace peryton
