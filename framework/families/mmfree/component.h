// A MatMul-free language model (Zhu et al. 2024, arXiv 2406.02528). Parameters are named as in the
// published checkpoints. With b_x a ternary layer, norm included, and n an RMS norm:
//
//   mixer(x)    = b_o(gate(mlgru(b_f(x), b_i(x)), b_g(x)))        framework/ops/mlgru.h
//   channels(x) = b_down(silu(left) right),  [left | right] = b_gate(x)
//   g = h + mixer(n_attn(h));  h' = g + channels(n_mlp(g))
//   logits = b_head(n_final(h))
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/families/block_model.h"
#include "framework/families/mmfree/config.h"
#include "framework/nn/bit_linear.h"

namespace peryton::mmfree {

struct Block {
  RmsNorm attn_norm;
  BitLinear input, forget, gate, output;  // i_proj, f_proj, g_proj, o_proj
  ParameterPtr gate_norm;                 // [width]
  RmsNorm mlp_norm;
  BitLinear gate_up, down;  // gate_up: one matrix [2 mlp, width] with one scale
};

// The recurrence's state of every block, [B, width] in the compute dtype.
struct State : ComponentState {
  std::vector<Tensor> blocks;
};

class Mmfree : public BlockModel {
 public:
  Mmfree(Config config, DType dtype);

  Variable run(const ForwardContext& context, std::int64_t first, std::int64_t last,
               Variable hidden) override;
  Variable logits(const ForwardContext& context, Variable hidden) override;
  HeadTerm head_term(const ForwardContext& context, const Variable& hidden) override;
  bool head_only_multiplies() const override { return false; }
  Tensor head_matrix(const kernels::Context& context) override;
  std::unique_ptr<ComponentState> make_state(std::int64_t rows, std::int64_t capacity) override;
  void pack_frozen(const KeepValue& keep) override;
  nlohmann::json config() const override { return write_config(config_); }
  double mixing_flops_per_token(std::int64_t first, std::int64_t last,
                                std::int64_t length) const override;

  const Config& settings() const { return config_; }

 private:
  BitLinear make_bit_linear(const std::string& name, std::int64_t out, std::int64_t in);
  Block make_block(std::int64_t index);
  Variable mix(const ForwardContext& context, std::int64_t index, Tensor* state,
               const Variable& normed) const;
  Variable run_block(const ForwardContext& context, std::int64_t index, Tensor* state,
                     const Variable& hidden) const;

  Config config_;
  ParameterPtr lower_bounds_;  // [layers, width], or null
  std::vector<Block> blocks_;
  BitLinear head_layer_;
};

}  // namespace peryton::mmfree
