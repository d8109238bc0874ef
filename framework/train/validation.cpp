// SPDX-License-Identifier: Apache-2.0
#include "framework/train/validation.h"

#include <algorithm>
#include <array>

#include "framework/hybrid/batching.h"

namespace peryton {

double validation_loss(LanguageModel& model, const ValidationArgs& args, Communicator& ranks,
                       const kernels::Context& context) {
  std::int64_t rows = args.rows.size();
  const auto length = static_cast<std::int64_t>(args.rows.row(0).loss_mask.size());
  if (args.max_tokens > 0)
    rows = std::min(rows, std::max<std::int64_t>(1, args.max_tokens / length));
  std::array<double, 2> sums{};  // nats, tokens
  std::vector<TokenRow> batch;
  const auto flush = [&] {
    if (batch.empty()) return;
    Tape tape(context, Tape::Mode::kInference);
    const HeadLoss result = model.loss(tape, make_request(batch));
    for (const double nll : result.nll) sums[0] += nll;
    sums[1] += static_cast<double>(target_count(batch));
    batch.clear();
  };
  for (std::int64_t i = ranks.rank(); i < rows; i += ranks.size()) {
    batch.push_back(args.rows.row(i));
    if (static_cast<std::int64_t>(batch.size()) == args.micro_batch) flush();
  }
  flush();
  ranks.all_reduce(std::span<double>(sums));
  PERYTON_CHECK(sums[1] > 0, "no scored token in {} validation rows", rows);
  return sums[0] / sums[1];
}

}  // namespace peryton
