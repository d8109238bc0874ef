// A Mamba-2 language model. Parameters are named as in transformers' checkpoints.
// Block: hidden + out_proj(gated_norm(ssd(silu(conv(x B C))), z)), [z | x B C | dt] =
// in_proj(norm(hidden)).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "framework/families/mamba2/config.h"
#include "framework/families/ssm_model.h"

namespace peryton::mamba2 {

struct Block {
  Linear in_proj;
  SsmConvolution conv;             // of x, B and C
  ParameterPtr a_log, d, dt_bias;  // [heads], at least float
  ParameterPtr gated_norm;         // [inner]
  Linear out_proj;
};

// Scan states are [B, heads, state, head_dim].
class Mamba2 : public SsmModel {
 public:
  Mamba2(Config config, DType dtype);

  nlohmann::json config() const override { return write_config(config_); }
  double mixing_flops_per_token(std::int64_t first, std::int64_t last,
                                std::int64_t length) const override;

  const Config& settings() const { return config_; }

 private:
  Block make_block(const std::string& prefix);
  Variable branch(const ForwardContext& context, std::int64_t index, const SsmCarry* carry,
                  const Variable& normed) const override;
  SsmCarry fresh_carry(DType dtype, std::int64_t rows) const override;

  Config config_;
  std::vector<Block> blocks_;
};

}  // namespace peryton::mamba2
