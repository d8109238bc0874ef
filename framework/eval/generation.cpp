// SPDX-License-Identifier: Apache-2.0
#include "framework/eval/generation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "framework/core/rng.h"

namespace peryton {
namespace {

// Runs `ids` after `past` tokens and returns the logits of the last one.
std::vector<float> advance(LanguageModel& model, ModelState& state,
                           std::span<const std::int32_t> ids, std::int64_t past,
                           const kernels::Context& context) {
  Tape tape(context, Tape::Mode::kInference);
  TokenBatch batch;
  batch.ids = Tensor::from_values<std::int32_t>({1, static_cast<std::int64_t>(ids.size())}, ids);
  batch.past = past;
  const Tensor logits = model.logits(tape, batch, &state);
  const Tensor last = logits.slice(1, logits.size(1) - 1, logits.size(1)).to(DType::kFloat32);
  const auto values = last.as_contiguous().values<float>();
  return {values.begin(), values.end()};
}

}  // namespace

std::int32_t choose_token(std::span<const float> logits, const GenerationOptions& options,
                          std::uint64_t index) {
  const auto best = std::ranges::max_element(logits) - logits.begin();
  if (options.temperature <= 0) return static_cast<std::int32_t>(best);
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::int32_t a, std::int32_t b) {
    return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
  });
  if (options.top_k > 0 && options.top_k < static_cast<std::int64_t>(order.size())) {
    order.resize(static_cast<std::size_t>(options.top_k));
  }
  std::vector<double> weights;
  double sum = 0;
  const double top = static_cast<double>(logits[static_cast<std::size_t>(best)]);
  for (const std::int32_t id : order) {
    const double logit = static_cast<double>(logits[static_cast<std::size_t>(id)]);
    weights.push_back(std::exp((logit - top) / options.temperature));
    sum += weights.back();
  }
  double kept = 0;
  std::size_t count = 0;
  while (count < weights.size() && kept < options.top_p * sum) kept += weights[count++];
  double left = Rng(options.seed, RandomPurpose::kSampling).uniform(index) * kept;
  for (std::size_t i = 0; i < count; ++i) {
    left -= weights[i];
    if (left < 0) return order[i];
  }
  return order[count - 1];
}

std::vector<std::int32_t> generate(LanguageModel& model, std::span<const std::int32_t> prompt,
                                   const GenerationOptions& options,
                                   const kernels::Context& context) {
  PERYTON_CHECK(!prompt.empty());
  const auto known = static_cast<std::int64_t>(prompt.size());
  const auto state = model.make_state(1, known + options.length);
  std::vector<float> logits;
  for (std::int64_t past = 0; past < known; past += options.prefill_chunk) {
    const std::int64_t count = std::min(options.prefill_chunk, known - past);
    logits =
        advance(model, *state,
                prompt.subspan(static_cast<std::size_t>(past), static_cast<std::size_t>(count)),
                past, context);
  }
  std::vector<std::int32_t> made;
  while (static_cast<std::int64_t>(made.size()) < options.length) {
    const std::int32_t next = choose_token(logits, options, made.size());
    if (next == options.end_of_text) break;
    made.push_back(next);
    if (static_cast<std::int64_t>(made.size()) == options.length) break;
    const std::int64_t past = known + static_cast<std::int64_t>(made.size()) - 1;
    logits = advance(model, *state, std::span(&made.back(), 1), past, context);
  }
  return made;
}

}  // namespace peryton
