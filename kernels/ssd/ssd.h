// Selective state space scan of Mamba-2 (state space duality, arXiv 2405.21060), per row b and head
// h with group g = h * G / H; A = -exp(a_log[h]):
//   Delta_t = clamp(softplus(dt_t + dt_bias[h]), dt_min, dt_max),  a_t = exp(Delta_t A)
//   S_t = a_t S_{t-1} + Delta_t B_t x_t^T  (N x P),   y_t = S_t^T C_t + D[h] x_t
// S before the row is the initial state or zero; it is reset to zero where a document starts.
//
// reference:: runs this recurrence. The fast path works on chunks of L tokens. With s_i =
// sum_{k<=i} Delta_k A inside a chunk, sigma its last value and H the state that enters the chunk:
//   y_i = exp(s_i) H^T C_i + sum_{j<=i} exp(s_i - s_j) (C_i . B_j) Delta_j x_j + D x_i
//   H' = exp(sigma) H + sum_j exp(sigma - s_j) B_j (Delta_j x_j)^T
// Its backward walks the chunks in reverse with E = dLoss/dH'; see ssd_backward_cpu.cpp.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "kernels/common/context.h"
#include "kernels/common/token_strides.h"

namespace peryton::kernels {

struct SsdShape {
  std::int64_t batch, tokens, heads, head_dim, state, groups;

  constexpr std::int64_t heads_per_group() const { return heads / groups; }
  constexpr std::int64_t state_elements() const { return state * head_dim; }  // of one row and head
};

// A run of at most L tokens of one document in one row. Chunks of a row are consecutive; the first
// of row b is row_begin[b].
struct SsdChunk {
  std::int64_t begin, length;
  bool
      continues;  // enters with the state that left the chunk before (the first: the initial state)
};
struct SsdChunkTable {
  const SsdChunk* chunks;
  const std::int64_t* row_begin;  // [batch + 1]
};

// Number of chunks of a row, whose documents start where `document_start` (may be null) changes.
std::int64_t ssd_count_chunks(std::int64_t tokens, std::int64_t chunk,
                              const std::int32_t* document_start);
// Fills the chunks of a row; `has_initial_state` lets the first one continue.
void ssd_fill_chunks(std::int64_t tokens, std::int64_t chunk, const std::int32_t* document_start,
                     bool has_initial_state, std::span<SsdChunk> chunks);

// T is float or double. Arrays of one token are contiguous.
template <class T>
struct SsdArgs {
  SsdShape shape;
  const T *x, *b, *c, *dt;  // [B,T,H,P], [B,T,G,N], [B,T,G,N], [B,T,H]
  TokenStrides x_strides, b_strides, c_strides, dt_strides;
  const T *a_log, *dt_bias, *d;  // [H]
  T dt_min, dt_max;
  const T* initial_state;  // [B,H,N,P] or null: zero

  std::int64_t group_of(std::int64_t head) const { return head * shape.groups / shape.heads; }
  const T* x_at(std::int64_t row, std::int64_t t, std::int64_t head) const {
    return x + row * x_strides.batch + t * x_strides.token + head * shape.head_dim;
  }
  const T* b_at(std::int64_t row, std::int64_t t, std::int64_t group) const {
    return b + row * b_strides.batch + t * b_strides.token + group * shape.state;
  }
  const T* c_at(std::int64_t row, std::int64_t t, std::int64_t group) const {
    return c + row * c_strides.batch + t * c_strides.token + group * shape.state;
  }
  T dt_at(std::int64_t row, std::int64_t t, std::int64_t head) const {
    return dt[row * dt_strides.batch + t * dt_strides.token + head];
  }
};

template <class T>
struct SsdForwardArgs : SsdArgs<T> {
  T* y;  // [B,T,H,P]
  TokenStrides y_strides;
  T* final_state;   // [B,H,N,P] or null; may be the initial state
  T* chunk_states;  // [chunks,H,N,P] or null: the state entering each chunk, for backward (unset
                    // where the chunk does not continue)
};

template <class T>
struct SsdBackwardArgs : SsdArgs<T> {
  const T* chunk_states;  // of forward; not read by the reference
  const T* d_y;           // [B,T,H,P]
  TokenStrides d_y_strides;
  const T* d_final_state;     // [B,H,N,P] or null: zero
  T *d_x, *d_b, *d_c, *d_dt;  // as x, b, c, dt; overwritten
  TokenStrides d_x_strides, d_b_strides, d_c_strides, d_dt_strides;
  T *d_a_log, *d_dt_bias, *d_d;  // [H], overwritten; each may be null: not wanted
  T* d_initial_state;            // [B,H,N,P] or null: not wanted
};

// Elements of scratch memory that the chunked functions need.
std::int64_t ssd_forward_workspace(const SsdShape& shape, std::int64_t chunk, int threads);
std::int64_t ssd_backward_workspace(const SsdShape& shape, std::int64_t chunk, int threads);

// The heads of a group are cut into this many tasks at most. Depends on nothing but the model, so
// that a row's gradients do not depend on the batch around it.
constexpr std::int64_t kSsdHeadBlocks = 4;
constexpr std::int64_t ssd_heads_per_block(const SsdShape& shape) {
  return divide_up(shape.heads_per_group(), kSsdHeadBlocks);
}
constexpr std::int64_t ssd_head_blocks(const SsdShape& shape) {
  return divide_up(shape.heads_per_group(), ssd_heads_per_block(shape));
}

namespace cpu {
// `chunk` is the longest chunk of the table. A call with one token runs the recurrence.
template <class T>
void ssd_forward(const SsdForwardArgs<T>& args, const SsdChunkTable& table, std::int64_t chunk,
                 T* workspace, const Context& context);
template <class T>
void ssd_backward(const SsdBackwardArgs<T>& args, const SsdChunkTable& table, std::int64_t chunk,
                  T* workspace, const Context& context);

namespace reference {
// document_start [B,T] or null. `states` holds (tokens + 1) * N * P elements.
template <class T>
void ssd_forward(const SsdForwardArgs<T>& args, const std::int32_t* document_start, T* states);
template <class T>
void ssd_backward(const SsdBackwardArgs<T>& args, const std::int32_t* document_start, T* states);
}  // namespace reference
}  // namespace cpu

}  // namespace peryton::kernels
