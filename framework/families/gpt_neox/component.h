// A GPT-NeoX language model (Black et al. 2022; Pythia). Parameters are named as in transformers.
//
//   attend(x) = dense(attention(rotary(query_key_value(x)))),  feed(x) = 4h_to_h(act(h_to_4h(x)))
//   parallel:    h + attend(norm_1(h)) + feed(norm_2(h))
//   sequential:  g = h + attend(norm_1(h));  g + feed(norm_2(g))
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "framework/families/family.h"
#include "framework/families/gpt_neox/config.h"
#include "framework/nn/layer_norm.h"
#include "framework/nn/linear.h"
#include "framework/ops/rotary.h"

namespace peryton::gpt_neox {

struct Block {
  LayerNorm input_norm, post_attention_norm;
  Linear query_key_value, dense;  // heads are interleaved: [head][q, k, v][head width]
  Linear up, down;
};

// Turned keys, and values, of every block: [rows, capacity, heads, head width].
struct State : ComponentState {
  struct OfBlock {
    Tensor keys, values;
  };
  std::vector<OfBlock> blocks;
  RotaryTable table;  // for `capacity` positions
};

class GptNeox : public Component {
 public:
  GptNeox(Config config, DType dtype);

  const ComponentShape& shape() const override { return shape_; }
  Variable embed(const ForwardContext& context) override;
  Variable run(const ForwardContext& context, std::int64_t first, std::int64_t last,
               Variable hidden) override;
  Variable final_norm(const ForwardContext& context, Variable hidden) override;
  Variable logits(const ForwardContext& context, Variable hidden) override;
  ParameterPtr head() override { return head_; }
  ParameterPtr embedding() override { return embedding_; }
  const std::vector<ParameterPtr>& parameters() const override { return parameters_; }
  std::unique_ptr<ComponentState> make_state(std::int64_t rows, std::int64_t capacity) override;
  nlohmann::json config() const override { return write_config(config_); }
  double block_flops_per_token(std::int64_t first, std::int64_t last,
                               std::int64_t length) const override;

  const Config& settings() const { return config_; }

 private:
  // What the blocks of one call share.
  struct Positions {
    RotaryTable table;
    Tensor position;  // int32 [B, T]
  };

  ParameterPtr make(const std::string& name, const char* group, const Shape& shape);
  Linear make_linear(const std::string& name, std::int64_t out, std::int64_t in, bool bias);
  LayerNorm make_norm(const std::string& name);
  Block make_block(std::int64_t index);
  Variable run_block(const ForwardContext& context, const Block& block, const Positions& positions,
                     State::OfBlock* state, const Variable& hidden) const;
  Variable attend(const ForwardContext& context, const Block& block, const Positions& positions,
                  State::OfBlock* state, const Variable& normed) const;

  Config config_;
  DType dtype_;
  ComponentShape shape_;
  std::vector<ParameterPtr> parameters_;
  ParameterPtr embedding_, head_;
  LayerNorm final_norm_;
  std::vector<Block> blocks_;
};

}  // namespace peryton::gpt_neox
