// What Mamba and Mamba-2 share: residual blocks that carry a convolution window and a scan's state
// from token to token, and the names around them. A family gives its block.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "framework/families/block_model.h"
#include "framework/families/ssm_config.h"

namespace peryton {

// Of one block, in the compute dtype: [B, W-1, channels of the convolution], and the scan's.
struct SsmCarry {
  Tensor halo, state;
};

struct SsmState : ComponentState {
  std::vector<SsmCarry> blocks;
};

// Depthwise, before the scan.
struct SsmConvolution {
  ParameterPtr weight, bias;  // [C, 1, W], [C] or null
};

class SsmModel : public BlockModel {
 public:
  Variable run(const ForwardContext& context, std::int64_t first, std::int64_t last,
               Variable hidden) override;
  std::unique_ptr<ComponentState> make_state(std::int64_t rows, std::int64_t capacity) override;

 protected:
  SsmModel(const SsmConfig& config, DType dtype)
      : BlockModel({config.width, config.layers, config.vocabulary, config.tied}, dtype) {}

  // The embedding, the norm and make_block(prefix) of every block, the final norm and the head.
  template <class MakeBlock>
  void make_all(const SsmConfig& config, MakeBlock&& make_block) {
    make_embedding("backbone.embeddings.weight");
    for (std::int64_t i = 0; i < config.layers; ++i) {
      const std::string prefix = fmt::format("backbone.layers.{}.", i);
      norms_.push_back(list_.rms_norm(prefix + "norm", config.width, config.eps));
      make_block(prefix);
    }
    final_norm_ = list_.rms_norm("backbone.norm_f", config.width, config.eps);
    make_head("lm_head.weight");
  }
  SsmConvolution make_convolution(const std::string& mixer, std::int64_t channels,
                                  const SsmConfig& config);
  // silu(convolution(x)), from the carried window if there is one.
  static Variable convolve(const ForwardContext& context, const SsmConvolution& convolution,
                           const SsmCarry* carry, const Variable& x);

  // What a block adds to its hidden state, of which `normed` is the norm. `carry` is null in
  // training.
  virtual Variable branch(const ForwardContext& context, std::int64_t index, const SsmCarry* carry,
                          const Variable& normed) const = 0;
  virtual SsmCarry fresh_carry(DType dtype, std::int64_t rows) const = 0;

  std::vector<RmsNorm> norms_;  // of the blocks
};

}  // namespace peryton
