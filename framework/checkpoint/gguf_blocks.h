// The block formats of GGUF tensors: one block of bytes to its elements. d, m: scale and minimum,
// binary16; q: small unsigned integers; the products and sums are rounded to float one by one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace peryton {

// 32 elements. The low four bits of the 16 bytes of q come before the high ones; Q5 has a word with
// the fifth bits.
void decode_q4_0(const std::byte* block, float* elements);  // d (q - 8)
void decode_q4_1(const std::byte* block, float* elements);  // d q + m
void decode_q5_0(const std::byte* block, float* elements);  // d (q - 16)
void decode_q5_1(const std::byte* block, float* elements);  // d q + m
void decode_q8_0(const std::byte* block, float* elements);  // d q, q signed

// 256 elements in 8 groups of 32, each with a scale s and a minimum m of six bits: (d s) q - (d_m
// m).
void decode_q4_k(const std::byte* block, float* elements);
void decode_q5_k(const std::byte* block, float* elements);
// 256 elements in 16 groups with a signed scale s of eight bits: (d s) (q - 32).
void decode_q6_k(const std::byte* block, float* elements);

}  // namespace peryton
