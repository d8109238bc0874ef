// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/gguf_types.h"

#include <algorithm>
#include <array>

#include "framework/checkpoint/gguf_blocks.h"

namespace peryton {
namespace {

constexpr auto kNotPlain = std::nullopt;

// Sizes: the layouts of ggml's block structures. A type without a decoder is known by name, so that
// a file can be looked at and the error can name it.
constexpr std::array<GgufTensorType, 32> kTypes = {{
    {0, "F32", 1, 4, StoredDType::kF32, nullptr},
    {1, "F16", 1, 2, StoredDType::kF16, nullptr},
    {2, "Q4_0", 32, 18, kNotPlain, decode_q4_0},
    {3, "Q4_1", 32, 20, kNotPlain, decode_q4_1},
    {6, "Q5_0", 32, 22, kNotPlain, decode_q5_0},
    {7, "Q5_1", 32, 24, kNotPlain, decode_q5_1},
    {8, "Q8_0", 32, 34, kNotPlain, decode_q8_0},
    {9, "Q8_1", 32, 36, kNotPlain, nullptr},
    {10, "Q2_K", 256, 84, kNotPlain, decode_q2_k},
    {11, "Q3_K", 256, 110, kNotPlain, decode_q3_k},
    {12, "Q4_K", 256, 144, kNotPlain, decode_q4_k},
    {13, "Q5_K", 256, 176, kNotPlain, decode_q5_k},
    {14, "Q6_K", 256, 210, kNotPlain, decode_q6_k},
    {15, "Q8_K", 256, 292, kNotPlain, nullptr},
    {16, "IQ2_XXS", 256, 66, kNotPlain, nullptr},
    {17, "IQ2_XS", 256, 74, kNotPlain, nullptr},
    {18, "IQ3_XXS", 256, 98, kNotPlain, nullptr},
    {19, "IQ1_S", 256, 50, kNotPlain, nullptr},
    {20, "IQ4_NL", 32, 18, kNotPlain, decode_iq4_nl},
    {21, "IQ3_S", 256, 110, kNotPlain, nullptr},
    {22, "IQ2_S", 256, 82, kNotPlain, nullptr},
    {23, "IQ4_XS", 256, 136, kNotPlain, decode_iq4_xs},
    {24, "I8", 1, 1, StoredDType::kI8, nullptr},
    {25, "I16", 1, 2, StoredDType::kI16, nullptr},
    {26, "I32", 1, 4, StoredDType::kI32, nullptr},
    {27, "I64", 1, 8, StoredDType::kI64, nullptr},
    {28, "F64", 1, 8, StoredDType::kF64, nullptr},
    {29, "IQ1_M", 256, 56, kNotPlain, nullptr},
    {30, "BF16", 1, 2, StoredDType::kBF16, nullptr},
    {34, "TQ1_0", 256, 54, kNotPlain, decode_tq1_0, valid_tq1_0},
    {35, "TQ2_0", 256, 66, kNotPlain, decode_tq2_0, valid_tq2_0},
    {39, "MXFP4", 32, 17, kNotPlain, nullptr},
}};

}  // namespace

const GgufTensorType* gguf_tensor_type(std::uint32_t id) {
  const auto found = std::ranges::find(kTypes, id, &GgufTensorType::id);
  return found == kTypes.end() ? nullptr : &*found;
}

}  // namespace peryton
