// The executable definition of attention: one query at a time, scores computed as often as needed.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/attention/attention.h"

namespace peryton::kernels::cpu::reference {
namespace {

template <class T>
T dot(const T* a, const T* b, std::int64_t width) {
  T sum = 0;
  for (std::int64_t i = 0; i < width; ++i) sum += a[i] * b[i];
  return sum;
}

template <class T>
void add_scaled(T* target, const T* source, T factor, std::int64_t width) {
  for (std::int64_t i = 0; i < width; ++i) target[i] += factor * source[i];
}

template <class T>
void attend(const AttentionForwardArgs<T>& a, std::int64_t b, std::int64_t head, std::int64_t i) {
  const AttentionShape& s = a.shape;
  const std::int64_t kv_head = head / (s.heads / s.kv_heads);
  const T* q = a.q.at(b, head) + i * a.q.token;
  T* output = a.output.at(b, head) + i * a.output.token;
  const auto score = [&](std::int64_t j) {
    return static_cast<T>(s.scale) * dot(q, a.k.at(b, kv_head) + j * a.k.token, s.width);
  };
  T largest = -std::numeric_limits<T>::infinity(), sum = 0;
  for (std::int64_t j = s.first_key(b, i); j <= s.past + i; ++j)
    largest = std::max(largest, score(j));
  for (std::int64_t j = s.first_key(b, i); j <= s.past + i; ++j)
    sum += std::exp(score(j) - largest);
  std::fill_n(output, s.width, T(0));
  for (std::int64_t j = s.first_key(b, i); j <= s.past + i; ++j) {
    const T weight = std::exp(score(j) - largest) / sum;
    add_scaled(output, a.v.at(b, kv_head) + j * a.v.token, weight, s.width);
  }
  if (a.log_sum != nullptr)
    a.log_sum[(b * s.heads + head) * s.queries + i] = largest + std::log(sum);
}

// Adds what one query contributes to its key head; its d_q is complete after this.
template <class T>
void attend_backward(const AttentionBackwardArgs<T>& a, std::int64_t b, std::int64_t head,
                     std::int64_t i) {
  const AttentionShape& s = a.shape;
  const std::int64_t kv_head = head / (s.heads / s.kv_heads);
  const T scale = static_cast<T>(s.scale), l = a.log_sum[(b * s.heads + head) * s.queries + i];
  const T* q = a.q.at(b, head) + i * a.q.token;
  const T* d_output = a.d_output.at(b, head) + i * a.d_output.token;
  T* d_q = a.d_q.at(b, head) + i * a.d_q.token;
  std::fill_n(d_q, s.width, T(0));
  const T shared = dot(d_output, a.output.at(b, head) + i * a.output.token, s.width);
  for (std::int64_t j = s.first_key(b, i); j <= s.past + i; ++j) {
    const T* k = a.k.at(b, kv_head) + j * a.k.token;
    const T p = std::exp(scale * dot(q, k, s.width) - l);
    add_scaled(a.d_v.at(b, kv_head) + j * a.d_v.token, d_output, p, s.width);
    const T d_p = dot(d_output, a.v.at(b, kv_head) + j * a.v.token, s.width);
    const T d_score = scale * p * (d_p - shared);
    add_scaled(d_q, k, d_score, s.width);
    add_scaled(a.d_k.at(b, kv_head) + j * a.d_k.token, q, d_score, s.width);
  }
}

}  // namespace

template <class T>
void attention_forward(const AttentionForwardArgs<T>& a, const Context& context) {
  const AttentionShape& s = a.shape;
  parallel_for(context, s.batch * s.heads, [&](std::int64_t task) {
    for (std::int64_t i = 0; i < s.queries; ++i) attend(a, task / s.heads, task % s.heads, i);
  });
}

template <class T>
void attention_backward(const AttentionBackwardArgs<T>& a, const Context& context) {
  const AttentionShape& s = a.shape;
  const std::int64_t group = s.heads / s.kv_heads;
  parallel_for(context, s.batch * s.kv_heads, [&](std::int64_t task) {
    const std::int64_t b = task / s.kv_heads, kv_head = task % s.kv_heads;
    for (std::int64_t j = 0; j < s.keys(); ++j) {
      std::fill_n(a.d_k.at(b, kv_head) + j * a.d_k.token, s.width, T(0));
      std::fill_n(a.d_v.at(b, kv_head) + j * a.d_v.token, s.width, T(0));
    }
    for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
      for (std::int64_t i = 0; i < s.queries; ++i) attend_backward(a, b, head, i);
    }
  });
}

#define PERYTON_INSTANTIATE(T)                                                        \
  template void attention_forward<T>(const AttentionForwardArgs<T>&, const Context&); \
  template void attention_backward<T>(const AttentionBackwardArgs<T>&, const Context&);
PERYTON_INSTANTIATE(float)
PERYTON_INSTANTIATE(double)
#undef PERYTON_INSTANTIATE

}  // namespace peryton::kernels::cpu::reference
