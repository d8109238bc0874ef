// The pieces of blocked attention that lie between its GEMMs: a block of scores [rows, keys],
// dense.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace peryton::kernels {

inline constexpr std::int64_t kQueryBlock = 64;
inline constexpr std::int64_t kKeyBlock = 256;

// The keys [begin, end) of the block that a query sees; may be empty.
struct VisibleKeys {
  std::int64_t begin, end;
};

struct SoftmaxBlock {
  float* scores;  // q . k on entry, exp(scale q . k - largest) on exit, 0 where not visible
  std::int64_t rows, keys;
  const VisibleKeys* visible;  // [rows]
  float scale;                 // positive
  float* largest;              // [rows], running maximum of the scaled scores
  float* sum;                  // [rows], running sum of exponentials
  float* output;               // [rows, width], scaled down to the new maximum unless `first`
  std::int64_t output_stride, width;
  bool first;  // the output holds nothing yet
};

struct SoftmaxGradientBlock {
  float* scores;    // q . k on entry, P on exit
  float* d_scores;  // d_output . v on entry, scale * P (d_output . v - D) on exit
  std::int64_t rows, keys;
  const VisibleKeys* visible;  // [rows]
  float scale;
  const float* log_sum;  // [rows]
  const float* shared;   // [rows], D of each query
};

void soften_block(const SoftmaxBlock& block);
void divide_block_by_sum(const SoftmaxBlock& block);
void soften_block_backward(const SoftmaxGradientBlock& block);
float dot_of_rows(const float* a, const float* b, std::int64_t width);

}  // namespace peryton::kernels
