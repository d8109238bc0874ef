// A GPT-2 language model (Radford et al. 2019). Parameters are named as in transformers.
//
//   h_0 = wte[token] + wpe[position]
//   g = h + c_proj(attention(c_attn(ln_1(h)))),  h' = g + c_proj(act(c_fc(ln_2(g))))
//
// The weights of a block are [in, out], as in the files.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/families/decoder.h"
#include "framework/families/gpt2/config.h"

namespace peryton::gpt2 {

struct Block {
  LayerNorm input_norm, post_attention_norm;
  Linear query_key_value, output;  // [queries | keys | values], each [heads][head width]
  Linear up, down;
};

class Gpt2 : public Decoder {
 public:
  Gpt2(Config config, DType dtype);

  Variable embed(const ForwardContext& context) override;
  nlohmann::json config() const override { return write_config(config_); }

  const Config& settings() const { return config_; }

 private:
  Block make_block(std::int64_t index);
  double score_scale(std::int64_t index) const;
  Variable run_block(const Call& call, std::int64_t index, const Variable& hidden) const override;

  Config config_;
  ParameterPtr positions_;  // [positions, width]
  std::vector<Block> blocks_;
};

}  // namespace peryton::gpt2
