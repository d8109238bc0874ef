// A task of the chunked forward: a few heads of one group in one row, over all the chunks of the
// row with their states.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_FORWARD_TASK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_FORWARD_TASK_INL_H_
#undef PERYTON_KERNELS_SSD_FORWARD_TASK_INL_H_
#else
#define PERYTON_KERNELS_SSD_FORWARD_TASK_INL_H_
#endif

#include "kernels/ssd/forward_head-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

template <class F, class T = typename F::Value>
void ForwardTask(const F& factors, const SsdForwardArgs<T>& args, const SsdChunkTable& table,
                 const GroupParts<T>& parts, const ForwardTiles<T>& tiles, std::int64_t task) {
  const SsdShape& shape = args.shape;
  const std::int64_t size = shape.state_elements(), state = shape.state, width = shape.head_dim;
  const HeadBlock block = FindHeadBlock(shape, task);
  const std::int64_t offset = (block.row * shape.heads + block.first_head) * size;
  const auto entering = [&](std::int64_t chunk) {  // the states of these heads, for backward
    return args.chunk_states + (chunk * shape.heads + block.first_head) * size;
  };
  const std::int64_t first = table.row_begin[block.row], end = table.row_begin[block.row + 1];
  if (args.initial_state != nullptr) {
    for (std::int64_t h = 0; h < block.heads; ++h) {
      PackPanels(args.initial_state + offset + h * size, width, state, width,
                 tiles.states + h * tiles.state_elements);
    }
    if (args.chunk_states != nullptr && table.chunks[first].continues) {
      std::copy_n(args.initial_state + offset, block.heads * size, entering(first));
    }
  }
  for (std::int64_t i = first; i < end; ++i) {
    const SsdChunk& chunk = table.chunks[i];
    const bool kept = args.chunk_states != nullptr && i + 1 < end && table.chunks[i + 1].continues;
    const GroupChunk<T> group = parts.at(block.row, block.group, chunk.begin);
    for (std::int64_t h = 0; h < block.heads; ++h) {
      const bool last = h + 1 == block.heads;
      const SsdChunk& next = last && i + 1 < end ? table.chunks[i + 1] : chunk;
      const std::int64_t next_head = block.first_head + (last ? 0 : h + 1);
      ForwardHead<F>({factors, args, chunk, block.row, block.first_head + h, group,
                      tiles.states + h * tiles.state_elements,
                      kept ? entering(i + 1) + h * size : nullptr,
                      args.x_at(block.row, next.begin, next_head), next.length, tiles});
    }
  }
  for (std::int64_t h = 0; args.final_state != nullptr && h < block.heads; ++h) {
    UnpackPanels(tiles.states + h * tiles.state_elements, state, width,
                 args.final_state + offset + h * size, width);
  }
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
