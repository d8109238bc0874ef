// The innermost level of the packed GEMM: products of packed panels. A panel of A holds a few rows,
// [k][rows of a panel]; a panel of B a few columns, [k][columns of a panel]; both are filled up
// with zeros. How many rows and columns depends on the instruction set that runs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace peryton::kernels::cpu {

struct PanelShape {
  std::int64_t rows, columns;
};

// No instruction set has panels larger than this.
constexpr PanelShape kLargestPanel = {12, 32};

PanelShape panel_shape();

// C[m, n] = alpha * A B + beta * C [+ bias[n]]; `b` is consecutive panels, and so is `a`, of depth
// k, if a_stride is 0. Otherwise `a` is row-major as it is, its rows a_stride elements apart, and m
// a multiple of a panel's rows.
template <class Element>
struct PanelProductOf {
  const Element* a;
  std::int64_t a_stride;
  const Element* b;
  std::int64_t m, n, k;
  float alpha, beta;
  const float* bias;  // or null
  float* c;
  std::int64_t ldc;
  std::int64_t b_depth = 0;  // with which the panels of B were packed, if that is more than k
};
using PanelProduct = PanelProductOf<float>;

void multiply_panels(const PanelProduct& product);

// The same for row-major A with any number of rows: what does not fill a panel is packed into
// `scratch`, kLargestPanel.rows * k elements.
void multiply_rows(PanelProduct product, float* scratch);

}  // namespace peryton::kernels::cpu
