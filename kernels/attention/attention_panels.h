// What the products of blocked attention read: floats as they are, or bfloat16 pairs
// (kernels/gemm/pair_kernels.h). Left factors are rows or panels, right factors panels.
//   Element             of rows and panels
//   kDepths             that lie together: a part of a panel begins at a multiple
//   shape()             of a panel
//   stored(k)           depth of rows and panels of k depths
//   pack(source, lines, k, width, to)
//   multiply_rows()     left factor in rows, a_stride apart; `scratch` as cpu::multiply_rows() asks
//   multiply_panels()   left factor in panels
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "kernels/gemm/pack_pairs.h"
#include "kernels/gemm/packing.h"
#include "kernels/gemm/pair_kernels.h"
#include "kernels/gemm/panels.h"

namespace peryton::kernels {

struct FloatPanels {
  using Element = float;
  static constexpr bool kRounds = false;  // factors are read where they lie
  static constexpr std::int64_t kDepths = 1;

  static cpu::PanelShape shape() { return cpu::panel_shape(); }
  static std::int64_t stored(std::int64_t k) { return k; }
  static void pack(const cpu::PanelSource<float>& source, std::int64_t lines, std::int64_t k,
                   std::int64_t width, float* to) {
    cpu::pack_panels(source, lines, k, width, to);
  }
  static void multiply_rows(const cpu::PanelProduct& product, float* scratch) {
    cpu::multiply_rows(product, scratch);
  }
  static void multiply_panels(const cpu::PanelProduct& product) { cpu::multiply_panels(product); }
};

struct PairPanels {
  using Element = BFloat16;
  static constexpr bool kRounds = true;
  static constexpr std::int64_t kDepths = 2;

  const cpu::PairKernels& kernels;

  cpu::PanelShape shape() const { return kernels.shape; }
  static std::int64_t stored(std::int64_t k) { return round_up(k, 2); }
  static void pack(const cpu::PanelSource<float>& source, std::int64_t lines, std::int64_t k,
                   std::int64_t width, BFloat16* to) {
    cpu::pack_pairs(source, lines, k, width, bits(to));
  }
  static void pack(const cpu::PanelSource<BFloat16>& source, std::int64_t lines, std::int64_t k,
                   std::int64_t width, BFloat16* to) {
    cpu::pack_pairs(source, lines, k, width, bits(to));
  }
  void multiply_rows(const cpu::PanelProductOf<BFloat16>& p, float* /*scratch*/) const {
    multiply_panels(p);
  }
  void multiply_panels(const cpu::PanelProductOf<BFloat16>& p) const {
    kernels.multiply({bits(p.a), p.a_stride, bits(p.b), p.m, p.n, p.k, p.alpha, p.beta, p.bias, p.c,
                      p.ldc, p.b_depth});
  }

  static std::uint16_t* bits(BFloat16* halves) { return &halves->bits; }
  static const std::uint16_t* bits(const BFloat16* halves) { return &halves->bits; }
};

// Gives parts of a piece of memory out, each at a cache line of its own if the first is; from null,
// counts only.
class Parts {
 public:
  explicit Parts(float* memory) : memory_(memory) {}

  template <class T>
  T* next(std::int64_t elements) {
    constexpr std::int64_t kCacheLine = 16;  // floats
    auto* part = memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + floats_);
    floats_ += round_up(divide_up(elements * static_cast<std::int64_t>(sizeof(T)),
                                  static_cast<std::int64_t>(sizeof(float))),
                        kCacheLine);
    return part;
  }
  std::int64_t floats() const { return floats_; }

 private:
  float* memory_;
  std::int64_t floats_ = 0;
};

}  // namespace peryton::kernels
