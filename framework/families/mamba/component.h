// A Mamba language model (Gu and Dao 2023). Parameters are named as in transformers' checkpoints.
//
//   [x | z] = in_proj(norm(hidden)),  x = silu(conv(x)),  [dt | B | C] = x_proj(x)
//   hidden + out_proj(silu(z) * scan(x, dt_proj(dt), B, C; A_log, D))
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/families/mamba/config.h"
#include "framework/families/ssm_model.h"

namespace peryton::mamba {

struct Block {
  Linear in_proj;
  SsmConvolution conv;     // of the inner channels
  Linear x_proj, dt_proj;  // the bias of dt_proj is added by the scan, before softplus
  ParameterPtr a_log, d;   // [inner, state], [inner], at least float
  Linear out_proj;
};

// Scan states are [B, state, inner].
class Mamba : public SsmModel {
 public:
  Mamba(Config config, DType dtype);

  nlohmann::json config() const override { return write_config(config_); }
  double mixing_flops_per_token(std::int64_t first, std::int64_t last,
                                std::int64_t length) const override;

  const Config& settings() const { return config_; }

 private:
  Block make_block(const std::string& prefix);
  Variable branch(const ForwardContext& context, std::int64_t index, const SsmCarry* carry,
                  const Variable& normed) const override;
  SsmCarry fresh_carry(DType dtype, std::int64_t rows) const override;
  Variable scan(const ForwardContext& context, const Block& block, const SsmCarry* carry,
                const Variable& x) const;

  Config config_;
  std::vector<Block> blocks_;
};

}  // namespace peryton::mamba
