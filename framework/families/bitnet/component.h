// A BitNet b1.58 language model (arXiv 2504.12285). Parameters are named as in transformers. With
// b_x a ternary layer without a norm of its own and n an RMS norm:
//
//   attend(x) = b_o(n_sub(attention(rotary(b_q(x), b_k(x)), b_v(x))))
//   feed(x)   = b_down(n_sub(relu(b_gate(x))^2 b_up(x)))
//   g = h + attend(n_input(h));  h' = g + feed(n_post(g))
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "framework/families/bitnet/config.h"
#include "framework/families/bitnet/layer.h"
#include "framework/families/decoder.h"
#include "framework/families/packable.h"

namespace peryton::bitnet {

struct Block {
  RmsNorm input_norm;
  Layer query, key, value, output;
  RmsNorm attention_norm;  // attn_sub_norm
  RmsNorm post_norm;
  Layer gate, up, down;
  RmsNorm feed_norm;  // ffn_sub_norm, [mlp]
};

class Bitnet : public Decoder, public Packable {
 public:
  Bitnet(Config config, DType dtype);

  void pack_frozen(const KeepValue& keep) override;
  void check_values(const std::string& where) const override;
  PackedModel packed(PackedForm form) const override;
  nlohmann::json config() const override { return write_config(config_); }

  const Config& settings() const { return config_; }

 private:
  Block make_block(std::int64_t index);
  template <class F>
  void for_layers(F&& visit) const;
  Variable run_block(const Call& call, std::int64_t index, const Variable& hidden) const override;
  RotaryTable rotary_positions(const kernels::Context& context, DType dtype,
                               std::int64_t positions) const override;

  Config config_;
  std::vector<Block> blocks_;
};

}  // namespace peryton::bitnet
