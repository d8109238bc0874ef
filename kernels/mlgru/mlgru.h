// The linear recurrence of MatMul-free language models (Zhu et al. 2024, arXiv 2406.02528; the
// gates of HGRN, Qin et al. 2023). With s the logistic function, per channel:
//   f[t] = bound + (1 - bound) s(u[t]),   i[t] = v[t] s(v[t]) (1 - f[t]),   h[t] = f[t] h[t-1] +
//   i[t]
// h before the first token of a document is 0, or the initial state at the start of a row.
// Backward, with D[t] the whole gradient of h[t] (d_final_state joins that of the last token):
//   D[t] = d_h[t] + f[t+1] D[t+1],    df[t] = D[t] (h[t-1] - v[t] s(v[t]))
//   d_u = df (1 - bound) s(u) (1 - s(u)),   d_v = D (1 - f) s(v) (1 + v (1 - s(v)))
//   d_bound = sum over rows and tokens of df (1 - s(u)),   d_initial_state = f[0] D[0]
// Gates and states are in the compute type whatever the storage.
//
// Chunks: a row is one chain by default, and then its bits do not depend on how it is cut into
// calls. With `chunk` below `tokens` chunks run side by side: first what each makes of a zero state
// and its product of gates, then the states from chunk to chunk, then each chunk from its state.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/dtype.h"
#include "kernels/common/token_strides.h"

namespace peryton::kernels {

// Channels of one task: four cache lines of each array per token, long enough for the prefetcher.
constexpr std::int64_t kMlgruChannelBlock = 64;

template <class T>
struct MlgruArgs {
  std::int64_t batch, tokens, channels;
  std::int64_t chunk;  // tokens that one task walks through, at least 1
  const T* u;
  const T* v;
  TokenStrides u_strides, v_strides;
  const compute_t<T>* bound;           // [channels], or null for 0
  const std::int32_t* document_start;  // [batch, tokens] or null: one document per row
  const compute_t<T>* initial_state;   // [batch, channels] or null: zeros

  std::int64_t chunks() const { return divide_up(tokens, chunk); }
  // The state before token t of row b is zero.
  bool fresh(std::int64_t b, std::int64_t t) const {
    if (t == 0) return initial_state == nullptr;
    return document_start != nullptr && document_start[b * tokens + t] == t;
  }
};

template <class T>
struct MlgruForwardArgs : MlgruArgs<T> {
  T* h;
  TokenStrides h_strides;
  compute_t<T>* final_state;  // [batch, channels], may be initial_state; null: not wanted
  compute_t<T>* workspace;    // mlgru_forward_workspace() elements
};

template <class T>
struct MlgruBackwardArgs : MlgruArgs<T> {
  const T* h;  // of the forward pass
  const T* d_h;
  TokenStrides h_strides, d_h_strides;
  const compute_t<T>* d_final_state;  // [batch, channels], or null for 0
  T* d_u;                             // overwritten, as are all that follow
  T* d_v;
  TokenStrides d_u_strides, d_v_strides;
  compute_t<T>* d_bound;          // [channels]; null: not wanted
  compute_t<T>* d_initial_state;  // [batch, channels]; null: not wanted
  compute_t<T>* workspace;        // mlgru_backward_workspace() elements
};

// In elements of the compute type.
constexpr std::int64_t mlgru_forward_workspace(std::int64_t batch, std::int64_t chunks,
                                               std::int64_t channels) {
  return chunks > 1 ? 2 * batch * chunks * channels : 0;
}
constexpr std::int64_t mlgru_backward_workspace(std::int64_t batch, std::int64_t chunks,
                                                std::int64_t channels) {
  return (chunks > 1 ? 3 : 1) * batch * chunks * channels;
}

namespace cpu {

// Instantiated for float, BFloat16 and double.
template <class T>
void mlgru(const MlgruForwardArgs<T>& args, const Context& context);
template <class T>
void mlgru_backward(const MlgruBackwardArgs<T>& args, const Context& context);

// One chain per row and channel, whatever `chunk` says; needs no workspace.
namespace reference {
template <class T>
void mlgru(const MlgruForwardArgs<T>& args);
template <class T>
void mlgru_backward(const MlgruBackwardArgs<T>& args);
}  // namespace reference

}  // namespace cpu
}  // namespace peryton::kernels
