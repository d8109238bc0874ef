// Negative log-likelihoods of a held-out text, shared out over ranks, and what is made of them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "framework/comm/communicator.h"
#include "framework/data/sampler.h"
#include "framework/hybrid/language_model.h"
#include "kernels/common/context.h"

namespace peryton {

// Nats of each scored target, in row order: [row * length + position], 0 where nothing is scored.
// The same on every rank. `max_rows` 0: all rows.
std::vector<double> target_nll(LanguageModel& model, const EvaluationRows& rows,
                               std::int64_t max_rows, Communicator& ranks,
                               const kernels::Context& context);

// -log of the mean of the models' probabilities of each target.
std::vector<double> averaged_nll(const std::vector<std::vector<double>>& models);

struct DocumentSums {
  std::vector<double> nats;         // per document
  std::vector<std::int64_t> bytes;  // per document
  std::int64_t tokens = 0;          // scored
};

// Documents of which not every target was scored (a limit on rows) are left out.
DocumentSums per_document(const EvaluationRows& rows, const std::vector<double>& nll);

double total_nats(const DocumentSums& sums);
double bits_per_byte(const DocumentSums& sums);

// 95 % percentile intervals over resampled documents. Everything that uses one seed uses the same
// resamples, so differences are paired.
std::pair<double, double> bits_per_byte_interval(const DocumentSums& sums, std::int64_t resamples,
                                                 std::uint64_t seed);
// Of bits_per_byte(a) - bits_per_byte(b).
std::pair<double, double> difference_interval(const DocumentSums& a, const DocumentSums& b,
                                              std::int64_t resamples, std::uint64_t seed);

}  // namespace peryton
