// Selective state space scan of Mamba (Gu and Dao 2023, arXiv 2312.00752): every channel has a
// state of N numbers, and Delta, B and C depend on the token. Per row and channel, A = -exp(a_log):
//
//   Delta_t = softplus(dt_t + dt_bias)
//   s_t[n] = exp(Delta_t A[n]) s_{t-1}[n] + Delta_t x_t B_t[n],   y_t = sum_n C_t[n] s_t[n] + D x_t
//
// s before the row is the initial state or zero; it is reset to zero where a document starts.
//
// Backward, in reverse with g_t[n] = dLoss/ds_t[n], where e_t[n] = exp(Delta_t A[n]):
//   g_t[n] = e_{t+1}[n] g_{t+1}[n] + C_t[n] dy_t      (the first term is 0 before a document
//   starts) dC_t[n] = sum over channels dy_t s_t[n],   dB_t[n] = sum over channels g_t[n] Delta_t
//   x_t dx_t = Delta_t u + D dy_t,  u = sum_n g_t[n] B_t[n] dDelta_t = x_t u + sum_n w[n] A[n],
//   w[n] = g_t[n] e_t[n] s_{t-1}[n] dA[n] = sum_t Delta_t w[n],  d a_log[n] = A[n] dA[n],  dD =
//   sum_t dy_t x_t
// States are kept at the borders of chunks only, and computed again chunk by chunk.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/token_strides.h"

namespace peryton::kernels {

// Tokens of a row between two states that the forward keeps.
inline constexpr std::int64_t kSelectiveScanChunk = 32;

struct SelectiveScanShape {
  std::int64_t batch, tokens, channels, state;

  constexpr std::int64_t chunks() const {
    return divide_up(tokens, kSelectiveScanChunk);
  }  // of a row
};

// T is float or double. What belongs to one token is contiguous.
template <class T>
struct SelectiveScanArgs {
  SelectiveScanShape shape;
  const T *x, *dt, *b, *c;  // [B,T,channels] twice, [B,T,N] twice
  TokenStrides x_strides, dt_strides, b_strides, c_strides;
  const T* a_log;                      // [channels, N]
  const T *dt_bias, *d;                // [channels]
  const T* initial_state;              // [B,N,channels] or null: zero
  const std::int32_t* document_start;  // [B,T]: first token of each token's document; null: 0

  const T* at(const T* data, const TokenStrides& strides, std::int64_t row, std::int64_t t) const {
    return data + row * strides.batch + t * strides.token;
  }
  // The state that enters token t is zero.
  bool resets(std::int64_t row, std::int64_t t) const {
    return t > 0 && document_start != nullptr && document_start[row * shape.tokens + t] == t;
  }
};

template <class T>
struct SelectiveScanForwardArgs : SelectiveScanArgs<T> {
  T* y;  // [B,T,channels]
  TokenStrides y_strides;
  T* final_state;   // [B,N,channels] or null; may be the initial state
  T* chunk_states;  // [B,chunks,N,channels] or null: the states entering each chunk, for backward
};

template <class T>
struct SelectiveScanBackwardArgs : SelectiveScanArgs<T> {
  const T* chunk_states;  // of forward; not read by the reference
  const T* d_y;           // [B,T,channels]
  TokenStrides d_y_strides;
  const T* d_final_state;     // [B,N,channels] or null: zero
  T *d_x, *d_dt, *d_b, *d_c;  // as x, dt, b, c; overwritten
  TokenStrides d_x_strides, d_dt_strides, d_b_strides, d_c_strides;
  T *d_a_log, *d_dt_bias, *d_d;  // [channels, N], [channels], [channels]; overwritten, or null
  T* d_initial_state;            // [B,N,channels] or null: not wanted
};

// Elements of scratch memory.
std::int64_t selective_scan_forward_workspace(const SelectiveScanShape& shape, int threads);
std::int64_t selective_scan_backward_workspace(const SelectiveScanShape& shape, int threads);

namespace cpu {

// Instantiated for float (vectors over channels) and double (the reference).
template <class T>
void selective_scan_forward(const SelectiveScanForwardArgs<T>& args, T* workspace,
                            const Context& context);
template <class T>
void selective_scan_backward(const SelectiveScanBackwardArgs<T>& args, T* workspace,
                             const Context& context);

namespace reference {
// `states` holds (tokens + 2) * N elements.
template <class T>
void selective_scan_forward(const SelectiveScanForwardArgs<T>& args, T* states);
template <class T>
void selective_scan_backward(const SelectiveScanBackwardArgs<T>& args, T* states);
}  // namespace reference

}  // namespace cpu
}  // namespace peryton::kernels
