// What families of causal attention share: a cache of keys and values per block, positions, and the
// loop over blocks. A family gives its blocks, and its rotary table if it has one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/families/block_model.h"
#include "framework/nn/self_attention.h"
#include "framework/ops/rotary.h"

namespace peryton {

struct DecoderState : ComponentState {
  std::vector<KeyValueCache> blocks;
  RotaryTable table;  // for `capacity` positions
};

class Decoder : public BlockModel {
 public:
  Variable run(const ForwardContext& context, std::int64_t first, std::int64_t last,
               Variable hidden) override;
  std::unique_ptr<ComponentState> make_state(std::int64_t rows, std::int64_t capacity) override;
  double mixing_flops_per_token(std::int64_t first, std::int64_t last,
                                std::int64_t length) const override;

 protected:
  // What the blocks of one call share, and the cache of the block that runs.
  struct Call {
    const ForwardContext& context;
    RotaryTable table;
    Tensor position;  // int32 [B, T]
    KeyValueCache* cache = nullptr;
  };

  Decoder(const ComponentShape& shape, DType dtype, const HeadLayout& layout)
      : BlockModel(shape, dtype), layout_(layout) {}

  virtual Variable run_block(const Call& call, std::int64_t index,
                             const Variable& hidden) const = 0;
  // Of the attention in this block, as in AttentionOptions.
  virtual std::int64_t window(std::int64_t /*index*/) const { return 0; }
  // Undefined tensors (the default): no rotary positions.
  virtual RotaryTable rotary_positions(const kernels::Context& context, DType dtype,
                                       std::int64_t positions) const;
  // Attention over projected heads [B, T, columns], turned by their positions first if the family
  // has rotary ones. `window` as in AttentionOptions.
  Variable attend(const Call& call, const Variable& fused, double scale,
                  std::int64_t window = 0) const;

  HeadLayout layout_;
};

}  // namespace peryton
