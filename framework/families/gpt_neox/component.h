// A GPT-NeoX language model (Black et al. 2022; Pythia). Parameters are named as in transformers.
//
//   attend(x) = dense(attention(rotary(query_key_value(x)))),  feed(x) = 4h_to_h(act(h_to_4h(x)))
//   parallel:    h + attend(norm_1(h)) + feed(norm_2(h))
//   sequential:  g = h + attend(norm_1(h));  g + feed(norm_2(g))
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "framework/families/decoder.h"
#include "framework/families/gpt_neox/config.h"

namespace peryton::gpt_neox {

struct Block {
  LayerNorm input_norm, post_attention_norm;
  Linear query_key_value, dense;  // heads are interleaved: [head][q, k, v][head width]
  Linear up, down;
};

class GptNeox : public Decoder {
 public:
  GptNeox(Config config, DType dtype);

  nlohmann::json config() const override { return write_config(config_); }

  const Config& settings() const { return config_; }

 private:
  Block make_block(std::int64_t index);
  Variable run_block(const Call& call, std::int64_t index, const Variable& hidden) const override;
  RotaryTable rotary_positions(const kernels::Context& context, DType dtype,
                               std::int64_t positions) const override;

  Config config_;
  std::vector<Block> blocks_;
};

}  // namespace peryton::gpt_neox
