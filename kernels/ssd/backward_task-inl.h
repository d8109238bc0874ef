// A task of the chunked backward: a few heads of one group in one row, over all the chunks of the
// row in reverse.
// SPDX-License-Identifier: Apache-2.0
#if defined(PERYTON_KERNELS_SSD_BACKWARD_TASK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PERYTON_KERNELS_SSD_BACKWARD_TASK_INL_H_
#undef PERYTON_KERNELS_SSD_BACKWARD_TASK_INL_H_
#else
#define PERYTON_KERNELS_SSD_BACKWARD_TASK_INL_H_
#endif

#include "kernels/ssd/backward_head-inl.h"

HWY_BEFORE_NAMESPACE();
namespace peryton::kernels::cpu::HWY_NAMESPACE {
namespace {

// out = columns^T: `columns` lies in panels of [state, rows].
template <class T>
void StoreTransposed(const T* columns, std::int64_t rows, std::int64_t state, T* out,
                     std::int64_t out_row) {
  ForEachPanel<T>(rows, [&](auto vectors, std::int64_t first) HWY_ATTR {
    const std::int64_t line = vectors * kLanesOf<T>;
    Transpose(columns + first * state, line, state, std::min(line, rows - first),
              out + first * out_row, out_row);
  });
}

// total += left right[first of a panel.. or up to its last]: panels of [state, L]. Asks meanwhile
// for the rows of `out`, where StoreTransposed() puts them.
template <class F, class T = typename F::Value>
void AddGroupProducts(const F& factors, const typename F::Element* left,
                      const typename F::Element* right, bool upper, std::int64_t state,
                      std::int64_t length, T* total, const T* out, std::int64_t out_row) {
  ForEachPanel<T>(length, [&](auto vectors, std::int64_t j) HWY_ATTR {
    const std::int64_t line = vectors * kLanesOf<T>;
    const std::int64_t first = upper ? j : 0, last = upper ? length : std::min(length, j + line);
    F::for_each_row_block(state, [&](auto rows, std::int64_t n) HWY_ATTR {
      const auto block = factors.template left_transposed<rows>(left, n, state, length, first);
      const auto* from = right + j * F::depth(length) + F::depth(first) * line;
      T* to = total + j * state + n * line;
      const std::int64_t tokens = std::min(line, length - j);
      for (std::int64_t i = n * tokens / state; i < (n + rows) * tokens / state; ++i) {
        FetchLines(out + (j + i) * out_row, state);
      }
      if constexpr (F::kRounds) {
        factors.template add_to_panel<rows, vectors>(to, block, from, last - first);
      } else {
        Sums<T, rows, vectors> sums;
        factors.set_product(sums, block, from, last - first);
        sums.add_to(to);
      }
    });
  });
}

// d_C = d_CB B and d_B = d_CB^T C of the chunk, with what came through the states.
template <class F, class T = typename F::Value>
void StoreGroupGradients(const F& factors, const SsdBackwardArgs<T>& args, const SsdChunk& chunk,
                         const HeadBlock& block, const GroupChunk<T>& group,
                         const BackwardTiles<T>& tiles, const BackwardPartials<T>& partials) {
  const SsdShape& shape = args.shape;
  const std::int64_t state = shape.state, padded = ssd_padded(chunk.length);
  const std::int64_t row = shape.groups * state, length = chunk.length;
  const std::int64_t offset =
      block.index * partials.block_elements +
      ((block.row * shape.tokens + chunk.begin) * shape.groups + block.group) * state;
  // These are done with what they held.
  auto *const scores = F::elements(tiles.products), *const transposed = F::elements(tiles.weights);
  factors.pack_right(tiles.d_scores, padded, length, length, scores);
  factors.pack_right_transposed(tiles.d_scores, padded, length, length, transposed,
                                F::elements(tiles.weight_pairs));
  AddGroupProducts(factors, F::elements(group.c_columns), scores, true, state, length,
                   tiles.d_b_columns, partials.d_b + offset, row);
  AddGroupProducts(factors, F::elements(group.b_columns), transposed, false, state, length,
                   tiles.d_c_columns, partials.d_c + offset, row);
  StoreTransposed(tiles.d_b_columns, length, state, partials.d_b + offset, row);
  StoreTransposed(tiles.d_c_columns, length, state, partials.d_c + offset, row);
}

template <class T>
void StoreInitialGradient(const SsdBackwardArgs<T>& args, const HeadBlock& block, bool reached,
                          const BackwardTiles<T>& tiles) {
  if (args.d_initial_state == nullptr) return;
  const std::int64_t size = args.shape.state_elements(), width = args.shape.head_dim;
  T* target = args.d_initial_state + (block.row * args.shape.heads + block.first_head) * size;
  if (!reached) std::fill_n(target, block.heads * size, T(0));
  for (std::int64_t h = 0; reached && h < block.heads; ++h) {
    UnpackPanels(tiles.d_states + h * tiles.state_elements, args.shape.state, width,
                 target + h * size, width);
  }
}

template <class F, class T = typename F::Value>
void BackwardTask(const F& factors, const SsdBackwardArgs<T>& args, const SsdChunkTable& table,
                  const GroupParts<T>& parts, const BackwardPartials<T>& partials,
                  const BackwardTiles<T>& tiles, std::int64_t task) {
  const SsdShape& shape = args.shape;
  const std::int64_t size = shape.state_elements(), state = shape.state, width = shape.head_dim;
  const HeadBlock block = FindHeadBlock(shape, task);
  const std::int64_t first = block.row * shape.heads + block.first_head;
  std::fill_n(partials.heads + first * 3, block.heads * 3, T(0));
  bool later = args.d_final_state != nullptr;
  for (std::int64_t h = 0; later && h < block.heads; ++h) {
    PackPanels(args.d_final_state + (first + h) * size, width, state, width,
               tiles.d_states + h * tiles.state_elements);
  }
  const std::int64_t begin = table.row_begin[block.row];
  for (std::int64_t i = table.row_begin[block.row + 1] - 1; i >= begin; --i) {
    const SsdChunk& chunk = table.chunks[i];
    const std::int64_t padded = ssd_padded(chunk.length);
    const GroupChunk<T> group = parts.at(block.row, block.group, chunk.begin);
    PackTransposed(args.c_at(block.row, chunk.begin, block.group), args.c_strides.token,
                   chunk.length, state, tiles.c_columns);
    std::fill_n(tiles.d_scores, padded * padded, T(0));
    std::fill_n(tiles.d_b_columns, state * padded, T(0));
    std::fill_n(tiles.d_c_columns, state * padded, T(0));
    for (std::int64_t h = 0; h < block.heads; ++h) {
      const std::int64_t head = block.first_head + h;
      const bool last = h + 1 == block.heads;
      const SsdChunk& next = last && i > begin ? table.chunks[i - 1] : chunk;
      const std::int64_t next_head = block.first_head + (last ? 0 : h + 1);
      const T* next_d_y = args.d_y + block.row * args.d_y_strides.batch +
                          next.begin * args.d_y_strides.token + next_head * width;
      BackwardHead<F>({factors, args, chunk, block.row, head, group,
                       args.chunk_states + (i * shape.heads + head) * size,
                       tiles.d_states + h * tiles.state_elements, later,
                       partials.heads + (first + h) * 3,
                       args.x_at(block.row, next.begin, next_head), next_d_y, next.length, tiles});
    }
    StoreGroupGradients(factors, args, chunk, block, group, tiles, partials);
    later = chunk.continues;
  }
  StoreInitialGradient(args, block, later, tiles);
}

}  // namespace
}  // namespace peryton::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
