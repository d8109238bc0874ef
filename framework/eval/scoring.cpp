// SPDX-License-Identifier: Apache-2.0
#include "framework/eval/scoring.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "framework/core/rng.h"
#include "framework/hybrid/batching.h"

namespace peryton {
namespace {

constexpr std::size_t kBatch = 8;

std::int64_t row_length(const EvaluationRows& rows) {
  return static_cast<std::int64_t>(rows.row(0).loss_mask.size());
}

double ratio(double nats, double bytes) { return nats / std::numbers::ln2 / bytes; }

// Calls f(resample, picks) with as many picked documents as there are.
template <class F>
void resample(std::size_t documents, std::int64_t resamples, std::uint64_t seed, F&& f) {
  std::vector<std::size_t> picks(documents);
  for (std::int64_t r = 0; r < resamples; ++r) {
    const Rng rng(seed, RandomPurpose::kBootstrap, static_cast<std::uint64_t>(r));
    for (std::size_t i = 0; i < documents; ++i) picks[i] = rng.below(i, documents);
    f(picks);
  }
}

double picked_ratio(const DocumentSums& sums, const std::vector<std::size_t>& picks) {
  double nats = 0, bytes = 0;
  for (const std::size_t d : picks) {
    nats += sums.nats[d];
    bytes += static_cast<double>(sums.bytes[d]);
  }
  return ratio(nats, bytes);
}

std::pair<double, double> middle_95(std::vector<double> values) {
  std::ranges::sort(values);
  const auto at = [&](double q) {
    return values[static_cast<std::size_t>(
        std::llround(q * static_cast<double>(values.size() - 1)))];
  };
  return {at(0.025), at(0.975)};
}

}  // namespace

std::vector<double> target_nll(LanguageModel& model, const EvaluationRows& rows,
                               std::int64_t max_rows, Communicator& ranks,
                               const kernels::Context& context) {
  const std::int64_t count = max_rows > 0 ? std::min(max_rows, rows.size()) : rows.size();
  const std::int64_t length = row_length(rows);
  std::vector<double> nll(static_cast<std::size_t>(count * length), 0.0);
  std::vector<TokenRow> batch;
  std::vector<std::int64_t> at;
  const auto flush = [&] {
    if (batch.empty()) return;
    Tape tape(context, Tape::Mode::kInference);
    const HeadLoss result = model.loss(tape, make_request(batch));
    for (std::size_t b = 0; b < batch.size(); ++b) {
      std::copy_n(result.nll.begin() + static_cast<std::ptrdiff_t>(b) * length, length,
                  nll.begin() + at[b] * length);
    }
    batch.clear();
    at.clear();
  };
  for (std::int64_t i = ranks.rank(); i < count; i += ranks.size()) {
    batch.push_back(rows.row(i));
    at.push_back(i);
    if (batch.size() == kBatch) flush();
  }
  flush();
  ranks.all_reduce(
      std::span<double>(nll));  // every target was scored by one rank, the others add 0
  return nll;
}

std::vector<double> averaged_nll(const std::vector<std::vector<double>>& models) {
  std::vector<double> mean(models.front().size());
  for (std::size_t i = 0; i < mean.size(); ++i) {
    double probability = 0;
    for (const auto& nll : models)
      probability += std::exp(-nll[i]) / static_cast<double>(models.size());
    mean[i] = -std::log(probability);
  }
  return mean;
}

DocumentSums per_document(const EvaluationRows& rows, const std::vector<double>& nll) {
  const std::int64_t length = row_length(rows);
  const std::int64_t count = static_cast<std::int64_t>(nll.size()) / length;
  const auto documents = static_cast<std::size_t>(rows.documents());
  std::vector<double> nats(documents, 0.0);
  std::vector<std::int64_t> scored(documents, 0);
  for (std::int64_t i = 0; i < count; ++i) {
    const ScoredRow row = rows.row(i);
    for (std::int64_t t = 0; t < length; ++t) {
      const std::int64_t document = row.document[static_cast<std::size_t>(t)];
      if (document < 0) continue;
      nats[static_cast<std::size_t>(document)] += nll[static_cast<std::size_t>(i * length + t)];
      ++scored[static_cast<std::size_t>(document)];
    }
  }
  DocumentSums sums;
  for (std::size_t d = 0; d < documents; ++d) {
    const auto document = static_cast<std::int64_t>(d);
    if (scored[d] == 0 || scored[d] != rows.scored_tokens(document)) continue;
    sums.nats.push_back(nats[d]);
    sums.bytes.push_back(rows.document_bytes(document));
    sums.tokens += scored[d];
  }
  if (sums.nats.empty()) {
    fail_input("no document of the evaluation split was scored whole", "",
               "score more tokens, or leave the limit out");
  }
  return sums;
}

double total_nats(const DocumentSums& sums) {
  double total = 0;
  for (const double nats : sums.nats) total += nats;
  return total;
}

double bits_per_byte(const DocumentSums& sums) {
  double bytes = 0;
  for (const std::int64_t count : sums.bytes) bytes += static_cast<double>(count);
  return ratio(total_nats(sums), bytes);
}

std::pair<double, double> bits_per_byte_interval(const DocumentSums& sums, std::int64_t resamples,
                                                 std::uint64_t seed) {
  std::vector<double> values;
  resample(sums.nats.size(), resamples, seed,
           [&](const auto& picks) { values.push_back(picked_ratio(sums, picks)); });
  return middle_95(std::move(values));
}

std::pair<double, double> difference_interval(const DocumentSums& a, const DocumentSums& b,
                                              std::int64_t resamples, std::uint64_t seed) {
  PERYTON_CHECK(a.nats.size() == b.nats.size());
  std::vector<double> values;
  resample(a.nats.size(), resamples, seed, [&](const auto& picks) {
    values.push_back(picked_ratio(a, picks) - picked_ratio(b, picks));
  });
  return middle_95(std::move(values));
}

}  // namespace peryton
