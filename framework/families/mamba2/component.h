// A Mamba-2 language model. Parameters are named as in transformers' checkpoints.
// Block: hidden + out_proj(gated_norm(ssd(silu(conv(x B C))), z)), [z | x B C | dt] =
// in_proj(norm(hidden)).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "framework/families/block_model.h"
#include "framework/families/mamba2/config.h"

namespace peryton::mamba2 {

struct Block {
  RmsNorm norm;
  Linear in_proj;
  ParameterPtr conv_weight, conv_bias;  // [C, 1, W], [C] or null
  ParameterPtr a_log, d, dt_bias;       // [heads], at least float
  ParameterPtr gated_norm;              // [inner]
  Linear out_proj;
};

// Convolution windows and SSM states, in the compute dtype: [B, W-1, C] and [B, heads, state,
// head_dim].
struct State : ComponentState {
  struct OfBlock {
    Tensor halo, state;
  };
  std::vector<OfBlock> blocks;
};

class Mamba2 : public BlockModel {
 public:
  Mamba2(Config config, DType dtype);

  Variable run(const ForwardContext& context, std::int64_t first, std::int64_t last,
               Variable hidden) override;
  Variable final_norm(const ForwardContext& context, Variable hidden) override;
  std::unique_ptr<ComponentState> make_state(std::int64_t rows, std::int64_t capacity) override;
  nlohmann::json config() const override;
  double block_flops_per_token(std::int64_t first, std::int64_t last,
                               std::int64_t length) const override;

  const Config& settings() const { return config_; }

 private:
  Block make_block(std::int64_t index);
  // What a block adds to its hidden state, of which `normed` is the norm.
  Variable branch(const ForwardContext& context, const Block& block, State::OfBlock* state,
                  const Variable& normed) const;

  Config config_;
  RmsNorm final_norm_;
  std::vector<Block> blocks_;
};

}  // namespace peryton::mamba2
