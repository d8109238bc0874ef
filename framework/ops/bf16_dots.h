// Whether products with bfloat16 weights run on bf16 dot products. A choice of the run, like
// PyTorch's autocast, and so of the thread that walks the tape, not an argument of every op.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace peryton {

// While it lives, matrix_product() on this thread rounds a to bfloat16 where b is bfloat16
// (GemmArgs::bf16_dots). `on` only where kernels::has_bf16_dots().
class Bf16DotsScope {
 public:
  explicit Bf16DotsScope(bool on);
  ~Bf16DotsScope();
  Bf16DotsScope(const Bf16DotsScope&) = delete;
  Bf16DotsScope& operator=(const Bf16DotsScope&) = delete;

 private:
  bool before_;
};

// Of the innermost scope of this thread; false without one.
bool bf16_dots();

}  // namespace peryton
