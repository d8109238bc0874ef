// The executable definition of the row quantiser.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "kernels/bit_quantise/bit_quantise.h"
#include "kernels/bit_quantise/block_tree.h"
#include "kernels/ternary_pack/ternary_pack.h"

namespace peryton::kernels::cpu {
namespace reference {
namespace {

constexpr std::int64_t kBlock = 64;

template <class T>
float square_sum(const T* input, std::int64_t width) {
  BlockTree tree;
  for (std::int64_t begin = 0; begin < width; begin += kBlock) {
    float block[kBlock] = {};
    for (std::int64_t j = 0; j < kBlock && begin + j < width; ++j) {
      const float x = input[begin + j];
      block[j] = x * x;
    }
    for (std::int64_t half = kBlock / 2; half > 0; half /= 2) {
      for (std::int64_t j = 0; j < half; ++j) block[j] += block[j + half];
    }
    tree.add(block[0]);
  }
  return tree.sum();
}

std::int8_t quantised(float scaled, RoundHalf rounding) {
  float rounded = std::trunc(scaled);
  const float rest = std::abs(scaled - rounded);  // exact
  const bool odd = std::fmod(rounded, 2.0f) != 0;
  const bool up = rest > 0.5f || (rest == 0.5f && (rounding == RoundHalf::kAway || odd));
  if (up) rounded += std::copysign(1.0f, scaled);
  return static_cast<std::int8_t>(std::fmin(std::fmax(rounded, -127.0f), 127.0f));
}

template <class T>
void quantise_row(const BitQuantiseArgs<T>& a, std::int64_t row) {
  const T* input = a.input + row * a.input_stride;
  std::int8_t* q = a.q + row * a.q_stride;
  float r = 1;
  if (a.norm) {
    const float inverse = 1.0f / static_cast<float>(a.width);
    r = 1.0f / std::sqrt(square_sum(input, a.width) * inverse + static_cast<float>(a.eps));
    a.rstd[row] = r;
  }
  const auto z = [&](std::int64_t j) {
    const float x = input[j];
    const float normal = a.norm ? x * r : x;
    return a.gain != nullptr ? normal * a.gain[j] : normal;
  };
  float largest = kTernaryFloor;
  bool finite = true;
  for (std::int64_t j = 0; j < a.width; ++j) {
    finite = finite && std::isfinite(z(j));
    largest = std::fmax(largest, std::abs(z(j)));
  }
  const float s = 127.0f / largest;
  std::int32_t sum = 0;
  for (std::int64_t j = 0; j < a.q_stride; ++j) {
    q[j] = finite && j < a.width ? quantised(z(j) * s, a.rounding) : std::int8_t{0};
    sum += q[j];
  }
  a.scale[row] = finite ? largest / 127.0f : std::numeric_limits<float>::quiet_NaN();
  a.sum[row] = sum;
}

}  // namespace

template <class T>
void bit_quantise(const BitQuantiseArgs<T>& args, const Context& context) {
  parallel_for(context, args.rows, [&](std::int64_t row) { quantise_row(args, row); });
}
template void bit_quantise<float>(const BitQuantiseArgs<float>&, const Context&);
template void bit_quantise<BFloat16>(const BitQuantiseArgs<BFloat16>&, const Context&);

}  // namespace reference

void bit_dequantise(const BitDequantiseArgs& a, const Context& context) {
  parallel_blocks(context, a.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int8_t* q = a.q + row * a.q_stride;
      float* output = a.output + row * a.width;
      const float scale = a.scale[row];
      for (std::int64_t j = 0; j < a.width; ++j) output[j] = static_cast<float>(q[j]) * scale;
    }
  });
}

}  // namespace peryton::kernels::cpu
