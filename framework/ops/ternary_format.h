// Ternary matrices as bytes: our own file form (five weights a byte, with a header and a checksum)
// and the packing of Hugging Face checkpoints.
//
// Our form is one uint8 tensor, so it goes into any container of tensors. Little-endian header of
// 64 bytes: "PTERN3\0\1", rows, columns (int64), beta (float32), flags (uint32, 0), number of
// non-zeros (int64), xxh3-64 of the payload, zeros; then the payload of
// kernels/ternary_pack/base3.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "framework/ops/ternary_matrix.h"

namespace peryton {

Tensor encode_ternary(const TernaryMatrix& matrix);
// Anything wrong with the bytes is the user's error at `where`.
TernaryPtr decode_ternary(const Tensor& bytes, const std::string& where);

// Hugging Face: uint8 [ceil(rows / 4), columns]; bits 2i..2i+1 of byte (p, k) hold T + 1 of row
// p + i ceil(rows / 4). Rows beyond the matrix may hold anything but code 3. `beta` is the scale
// that multiplies: `weight_scale` where linear_class is autobitlinear, and one over it where it is
// bitlinear. A code 3 is the user's error at `where`.
TernaryPtr ternary_from_hf(const Tensor& packed, std::int64_t rows, float beta,
                           const std::string& where);
// Rows beyond the matrix get code 0, as transformers leaves them.
Tensor ternary_to_hf(const TernaryMatrix& matrix);

}  // namespace peryton
