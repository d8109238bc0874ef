// A Mamba language model (Gu and Dao 2023). Parameters are named as in transformers' checkpoints.
//
//   [x | z] = in_proj(norm(hidden)),  x = silu(conv(x)),  [dt | B | C] = x_proj(x)
//   hidden + out_proj(silu(z) * scan(x, dt_proj(dt), B, C; A_log, D))
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/families/block_model.h"
#include "framework/families/mamba/config.h"

namespace peryton::mamba {

struct Block {
  RmsNorm norm;
  Linear in_proj;
  ParameterPtr conv_weight, conv_bias;  // [inner, 1, W], [inner] or null
  Linear x_proj, dt_proj;               // the bias of dt_proj is added by the scan, before softplus
  ParameterPtr a_log, d;                // [inner, state], [inner], at least float
  Linear out_proj;
};

// Convolution windows and scan states, in the compute dtype: [B, W-1, inner] and [B, state, inner].
struct State : ComponentState {
  struct OfBlock {
    Tensor halo, state;
  };
  std::vector<OfBlock> blocks;
};

class Mamba : public BlockModel {
 public:
  Mamba(Config config, DType dtype);

  Variable run(const ForwardContext& context, std::int64_t first, std::int64_t last,
               Variable hidden) override;
  Variable final_norm(const ForwardContext& context, Variable hidden) override;
  std::unique_ptr<ComponentState> make_state(std::int64_t rows, std::int64_t capacity) override;
  nlohmann::json config() const override { return write_config(config_); }
  double block_flops_per_token(std::int64_t first, std::int64_t last,
                               std::int64_t length) const override;

  const Config& settings() const { return config_; }

 private:
  Block make_block(std::int64_t index);
  // What a block adds to its hidden state, of which `normed` is the norm.
  Variable branch(const ForwardContext& context, const Block& block, State::OfBlock* state,
                  const Variable& normed) const;
  Variable scan(const ForwardContext& context, const Block& block, State::OfBlock* state,
                const Variable& x) const;

  Config config_;
  RmsNorm final_norm_;
  std::vector<Block> blocks_;
};

}  // namespace peryton::mamba
