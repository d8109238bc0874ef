// Runs the pickle of a torch.save file without running anything: the few instructions that a table
// of tensors needs, and no others. Inner part of torch_pickle.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "framework/checkpoint/stored_dtype.h"

namespace peryton {

// A tensor as the pickle describes it, in elements of a storage; nothing is checked against the
// storage yet.
struct PickledTensor {
  StoredTensor tensor;
  std::vector<std::int64_t> strides;
  std::int64_t offset = 0;
  std::string storage_key;
  std::int64_t storage_elements = 0;
};

// The table of tensors that the pickle describes. Anything but a dictionary of text to tensors, any
// function or class but those of tensors, and any malformed instruction is the user's error at
// `where`.
std::map<std::string, PickledTensor> read_tensor_pickle(std::span<const std::byte> pickle,
                                                        const std::string& where);

}  // namespace peryton
