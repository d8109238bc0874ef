// SPDX-License-Identifier: Apache-2.0
#include "framework/families/ssm_model.h"

#include "framework/ops/arithmetic.h"
#include "framework/ops/causal_conv1d.h"
#include "framework/ops/matrix.h"

namespace peryton {

SsmConvolution SsmModel::make_convolution(const std::string& mixer, std::int64_t channels,
                                          const SsmConfig& config) {
  SsmConvolution made;
  made.weight = list_.add(mixer + "conv1d.weight", kComponents, {channels, 1, config.conv});
  if (config.conv_bias) made.bias = list_.add(mixer + "conv1d.bias", kComponents, {channels});
  return made;
}

Variable SsmModel::convolve(const ForwardContext& context, const SsmConvolution& convolution,
                            const SsmCarry* carry, const Variable& x) {
  CausalConv1dOptions options;
  options.document_start = context.batch.document_start;
  if (carry != nullptr) options.halo = carry->halo;
  Tape& tape = context.tape;
  const Variable bias = convolution.bias ? tape.parameter(*convolution.bias) : Variable();
  return causal_conv1d(tape, x, tape.parameter(*convolution.weight), bias, options);
}

Variable SsmModel::run(const ForwardContext& context, std::int64_t first, std::int64_t last,
                       Variable hidden) {
  const auto* state = state_of<SsmState>(context, first, last);
  Tape& tape = context.tape;
  Variable normed;
  for (std::int64_t i = first; i < last; ++i) {
    const auto index = static_cast<std::size_t>(i);
    if (i == first) normed = norms_[index](tape, hidden);
    const Variable added =
        branch(context, i, state == nullptr ? nullptr : &state->blocks[index], normed);
    if (i + 1 == last) return add(tape, hidden, added);
    const JoinedNorm joined = norms_[index + 1].join(tape, hidden, added);
    hidden = joined.sum;
    normed = joined.normed;
  }
  return hidden;
}

std::unique_ptr<ComponentState> SsmModel::make_state(std::int64_t rows, std::int64_t) {
  auto state = std::make_unique<SsmState>();
  for (std::int64_t i = 0; i < shape_.blocks; ++i) {
    state->blocks.push_back(fresh_carry(compute_dtype(list_.dtype()), rows));
  }
  return state;
}

}  // namespace peryton
