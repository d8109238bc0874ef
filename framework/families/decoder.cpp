// SPDX-License-Identifier: Apache-2.0
#include "framework/families/decoder.h"

#include "framework/ops/matrix.h"

namespace peryton {

RotaryTable Decoder::rotary_positions(const kernels::Context&, DType, std::int64_t) const {
  return {};
}

Variable Decoder::attend(const Call& call, const Variable& fused, double scale,
                         std::int64_t window) const {
  const TokenBatch& batch = call.context.batch;
  Tape& tape = call.context.tape;
  const Variable turned =
      call.table.cosine.defined() ? rotary(tape, fused, layout_, call.table, call.position) : fused;
  const AttentionOptions options{scale, batch.document_start, window};
  return self_attention(tape, turned, layout_, options, call.cache, batch.past);
}

Variable Decoder::run(const ForwardContext& context, std::int64_t first, std::int64_t last,
                      Variable hidden) {
  auto* state = state_of<DecoderState>(context, first, last);
  const TokenBatch& batch = context.batch;
  Call call{context, {}, {}};
  call.position = token_positions(batch.document_start, batch.rows(), batch.length(), batch.past);
  call.table = state != nullptr
                   ? state->table
                   : rotary_positions(context.tape.context(), hidden.dtype(), batch.length());
  for (std::int64_t i = first; i < last; ++i) {
    call.cache = state != nullptr ? &state->blocks[static_cast<std::size_t>(i)] : nullptr;
    hidden = run_block(call, i, hidden);
  }
  return hidden;
}

std::unique_ptr<ComponentState> Decoder::make_state(std::int64_t rows, std::int64_t capacity) {
  auto state = std::make_unique<DecoderState>();
  // As the activations are: rounded to a bfloat16 model's weights, cached tokens would not be those
  // of one pass, and attention would widen them anew for every token.
  const DType dtype = compute_dtype(list_.dtype());
  for (std::int64_t i = 0; i < shape_.blocks; ++i) {
    state->blocks.push_back(KeyValueCache::make(dtype, rows, capacity, layout_));
  }
  state->table = rotary_positions({}, dtype, capacity);
  return state;
}

double Decoder::mixing_flops_per_token(std::int64_t first, std::int64_t last,
                                       std::int64_t length) const {
  double flops = 0;
  for (std::int64_t i = first; i < last; ++i) {
    flops += attention_flops_per_token(layout_.query.heads * layout_.width, length, window(i));
  }
  return flops;
}

}  // namespace peryton
