// A Llama language model (Touvron et al. 2023; Mistral, SmolLM). Parameters are named as in
// transformers.
//
//   g = h + o_proj(attention(rotary(q_proj(n), k_proj(n)), v_proj(n))),  n = input_norm(h)
//   h' = g + down_proj(silu(gate_proj(m)) * up_proj(m)),                 m = post_attention_norm(g)
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/families/decoder.h"
#include "framework/families/llama/config.h"

namespace peryton::llama {

struct Block {
  RmsNorm input_norm, post_attention_norm;
  Linear query, key, value, output;
  Linear gate, up, down;
};

class Llama : public Decoder {
 public:
  Llama(Config config, DType dtype);

  nlohmann::json config() const override { return write_config(config_); }

  const Config& settings() const { return config_; }

 private:
  Block make_block(std::int64_t index);
  std::int64_t window(std::int64_t) const override { return config_.window; }
  Variable run_block(const Call& call, std::int64_t index, const Variable& hidden) const override;
  RotaryTable rotary_positions(const kernels::Context& context, DType dtype,
                               std::int64_t positions) const override;

  Config config_;
  std::vector<Block> blocks_;
};

}  // namespace peryton::llama
