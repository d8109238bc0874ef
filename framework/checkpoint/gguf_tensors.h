// The tensors of a GGUF file: where they lie and what their bytes mean.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "framework/checkpoint/gguf.h"

namespace peryton {

// What the file says of one tensor. The offset counts from where the data begins.
struct GgufInfo {
  std::string name;
  GgufTensor tensor;  // without its bytes
  std::uint64_t offset = 0, size = 0;
};

std::vector<GgufInfo> read_gguf_infos(GgufCursor& cursor, std::uint64_t count);

// Gives each tensor its bytes. `head`: where the descriptions end. A tensor outside of the file, at
// an odd offset or over another one is the user's error at `where`.
std::map<std::string, GgufTensor> place_gguf_tensors(const std::vector<GgufInfo>& infos,
                                                     std::span<const std::byte> bytes,
                                                     std::size_t head, std::uint64_t alignment,
                                                     const std::string& where);

Tensor load_gguf_tensor(const GgufTensor& tensor, DType as, const std::string& place);

}  // namespace peryton
