// A GPT-Neo language model (Black et al. 2021). Parameters are named as in transformers.
//
//   h_0 = wte[token] + wpe[position]
//   g = h + out_proj(attention(q_proj(n), k_proj(n), v_proj(n))),  n = ln_1(h)
//   h' = g + c_proj(act(c_fc(ln_2(g))))
//
// Scores are not scaled. A token of a local block sees the last `window` tokens, itself included.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/families/decoder.h"
#include "framework/families/gpt_neo/config.h"

namespace peryton::gpt_neo {

struct Block {
  LayerNorm input_norm, post_attention_norm;
  Linear query, key, value, output;
  Linear up, down;
};

class GptNeo : public Decoder {
 public:
  GptNeo(Config config, DType dtype);

  Variable embed(const ForwardContext& context) override;
  nlohmann::json config() const override { return write_config(config_); }

  const Config& settings() const { return config_; }

 private:
  Block make_block(std::int64_t index);
  std::int64_t window(std::int64_t index) const override { return config_.window_of(index); }
  Variable run_block(const Call& call, std::int64_t index, const Variable& hidden) const override;

  Config config_;
  ParameterPtr positions_;  // [positions, width]
  std::vector<Block> blocks_;
};

}  // namespace peryton::gpt_neo
