// SPDX-License-Identifier: Apache-2.0
#include "framework/families/mmfree/component.h"

#include "framework/ops/arithmetic.h"
#include "framework/ops/bit_head.h"
#include "framework/ops/glu.h"
#include "framework/ops/matrix.h"

namespace peryton::mmfree {

Mmfree::Mmfree(Config config, DType dtype)
    : BlockModel({config.width, config.layers, config.vocabulary, config.tied}, dtype),
      config_(std::move(config)) {
  make_embedding("model.embeddings.weight");
  if (config_.lower_bound) {
    lower_bounds_ = list_.add("model.lower_bounds", kComponents, {config_.layers, config_.width});
    lower_bounds_->decays = false;  // logits of gates, no matrix
  }
  for (std::int64_t i = 0; i < config_.layers; ++i) blocks_.push_back(make_block(i));
  final_norm_ = list_.rms_norm("model.norm", config_.width, config_.eps);
  make_head("lm_head.weight");
  const ParameterPtr gain = list_.add("lm_head.norm.weight", kHeads, {config_.width});
  head_layer_ = BitLinear(head_, gain, blocks_.front().input.options());
}

BitLinear Mmfree::make_bit_linear(const std::string& name, std::int64_t out, std::int64_t in) {
  const ParameterPtr weight = list_.add(name + ".weight", kComponents, {out, in});
  const ParameterPtr gain = list_.add(name + ".norm.weight", kComponents, {in});
  return BitLinear(weight, gain,
                   {.norm = true,
                    .eps = config_.bit_eps,
                    .rounding = config_.round_away ? RoundHalf::kAway : RoundHalf::kEven,
                    .quantise = config_.ternary});
}

Block Mmfree::make_block(std::int64_t index) {
  const std::int64_t width = config_.width, mlp = config_.mlp;
  const std::string prefix = fmt::format("model.layers.{}.", index);
  Block block;
  block.attn_norm = list_.rms_norm(prefix + "attn_norm", width, config_.eps);
  block.input = make_bit_linear(prefix + "attn.i_proj", width, width);
  block.forget = make_bit_linear(prefix + "attn.f_proj", width, width);
  block.gate = make_bit_linear(prefix + "attn.g_proj", width, width);
  block.gate_norm = list_.add(prefix + "attn.g_norm.weight", kComponents, {width});
  block.output = make_bit_linear(prefix + "attn.o_proj", width, width);
  block.mlp_norm = list_.rms_norm(prefix + "mlp_norm", width, config_.eps);
  block.gate_up = make_bit_linear(prefix + "mlp.gate_proj", 2 * mlp, width);
  block.down = make_bit_linear(prefix + "mlp.down_proj", width, mlp);
  return block;
}

Variable Mmfree::mix(const ForwardContext& context, std::int64_t index, Tensor* state,
                     const Variable& normed) const {
  Tape& tape = context.tape;
  const Block& block = blocks_[static_cast<std::size_t>(index)];
  const std::int64_t width = config_.width;
  const Variable all = bit_linears(
      tape, normed, {block.forget.term(tape), block.input.term(tape), block.gate.term(tape)},
      block.input.options());
  const auto part = [&](std::int64_t i) {
    return slice_last(tape, all, i * width, (i + 1) * width);
  };
  Variable bound;
  if (lower_bounds_ && index > 0) {  // 0 in the first layer
    bound = mlgru_lower_bound(tape, tape.parameter(*lower_bounds_), index);
  }
  MlgruOptions options;
  options.document_start = context.batch.document_start;
  if (state != nullptr) options.carried = *state;
  const Variable h = mlgru(tape, part(0), part(1), bound, Variable(), options);
  return block.output(tape, mlgru_gate(tape, config_.gate, h, part(2),
                                       tape.parameter(*block.gate_norm), config_.eps));
}

Variable Mmfree::run_block(const ForwardContext& context, std::int64_t index, Tensor* state,
                           const Variable& hidden) const {
  Tape& tape = context.tape;
  const Block& block = blocks_[static_cast<std::size_t>(index)];
  const JoinedNorm mixed =
      block.mlp_norm.join(tape, hidden, mix(context, index, state, block.attn_norm(tape, hidden)));
  const Variable both = block.gate_up(tape, mixed.normed);
  const Variable gated =
      glu(tape, slice_last(tape, both, 0, config_.mlp),
          slice_last(tape, both, config_.mlp, 2 * config_.mlp), Activation::kSilu);
  return add(tape, mixed.sum, block.down(tape, gated));
}

Variable Mmfree::run(const ForwardContext& context, std::int64_t first, std::int64_t last,
                     Variable hidden) {
  auto* state = state_of<State>(context, first, last);
  for (std::int64_t i = first; i < last; ++i) {
    Tensor* own = state == nullptr ? nullptr : &state->blocks[static_cast<std::size_t>(i)];
    hidden = run_block(context, i, own, hidden);
  }
  return hidden;
}

Variable Mmfree::logits(const ForwardContext& context, Variable hidden) {
  return head_layer_(context.tape, hidden);
}

HeadTerm Mmfree::head_term(const ForwardContext& context, const Variable& hidden) {
  return bit_head(context.tape, hidden, head_layer_.term(context.tape), head_layer_.options());
}

Tensor Mmfree::head_matrix(const kernels::Context& context) {
  return bit_head_matrix(head_layer_.ternary(context), head_->holder().value,
                         head_layer_.gain()->value);
}

std::unique_ptr<ComponentState> Mmfree::make_state(std::int64_t rows, std::int64_t) {
  auto state = std::make_unique<State>();
  for (std::int64_t i = 0; i < config_.layers; ++i) {
    state->blocks.push_back(Tensor::zeros(compute_dtype(list_.dtype()), {rows, config_.width}));
  }
  return state;
}

void Mmfree::pack_frozen(const KeepValue& keep) {
  for (const Block& block : blocks_) {
    for (const BitLinear* layer :
         {&block.input, &block.forget, &block.gate, &block.output, &block.gate_up, &block.down}) {
      layer->pack_frozen(keep);
    }
  }
  // A tied head's values are the embedding's too.
  if (!config_.tied) head_layer_.pack_frozen(keep);
}

double Mmfree::mixing_flops_per_token(std::int64_t, std::int64_t, std::int64_t) const {
  return 0;  // its recurrence is element by element
}

}  // namespace peryton::mmfree
