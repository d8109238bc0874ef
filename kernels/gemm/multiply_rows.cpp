// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm/packing.h"
#include "kernels/gemm/panels.h"

namespace peryton::kernels::cpu {

void multiply_rows(PanelProduct product, float* scratch) {
  const std::int64_t height = panel_shape().rows, all = product.m;
  product.m = all / height * height;
  if (product.m > 0) multiply_panels(product);
  const std::int64_t left = all - product.m;
  if (left == 0) return;
  pack_panels<float>({product.a + product.m * product.a_stride, product.a_stride, 1}, left,
                     product.k, height, scratch);
  product.c += product.m * product.ldc;
  product.a = scratch;
  product.a_stride = 0;
  product.m = left;
  multiply_panels(product);
}

}  // namespace peryton::kernels::cpu
