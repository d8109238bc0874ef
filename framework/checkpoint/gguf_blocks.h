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

// 32 elements of the 16 values v of a table, which lie closer together near zero.
void decode_iq4_nl(const std::byte* block, float* elements);  // d v(q)

// 256 elements in 8 groups of 32, each with a scale s and a minimum m of six bits:
// (d s) q - (d_m m).
void decode_q4_k(const std::byte* block, float* elements);
void decode_q5_k(const std::byte* block, float* elements);
// 256 elements in 16 groups with a signed scale s of eight bits: (d s) (q - 32).
void decode_q6_k(const std::byte* block, float* elements);
// 256 elements in 16 groups, s and m of four bits each: (d s) q - (d_m m).
void decode_q2_k(const std::byte* block, float* elements);
// 256 elements in 16 groups with a signed scale s of six bits: (d s) (q - 4).
void decode_q3_k(const std::byte* block, float* elements);
// 256 elements in 8 groups with a signed scale s of six bits, and the table: (d s) v(q).
void decode_iq4_xs(const std::byte* block, float* elements);

// 256 elements d t, t in -1, 0, +1. TQ1_0: five t + 1 a byte, as the digits of a number in base 3
// (the last four bytes: four); TQ2_0: four t + 1 a byte. A valid block has only bytes that stand
// for such digits.
void decode_tq1_0(const std::byte* block, float* elements);
void decode_tq2_0(const std::byte* block, float* elements);
bool valid_tq1_0(const std::byte* block);
bool valid_tq2_0(const std::byte* block);

}  // namespace peryton
