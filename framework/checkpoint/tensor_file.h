// A file of named tensors, whatever its format. Opening it validates it; loading copies.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "framework/checkpoint/stored_dtype.h"
#include "framework/core/tensor.h"

namespace peryton {

class TensorFile {
 public:
  virtual ~TensorFile() = default;

  virtual std::vector<std::string> names() const = 0;  // sorted
  virtual bool contains(const std::string& name) const = 0;
  // An unknown name is the user's error, here and below.
  virtual const StoredTensor& info(const std::string& name) const = 0;
  // An owned, contiguous tensor; conversion as tensor_from_stored() does.
  virtual Tensor load(const std::string& name, std::optional<DType> as = std::nullopt) const = 0;
  // Calls `visit` once with the tensor's elements as stored, dense and row-major.
  virtual void visit_bytes(const std::string& name,
                           const std::function<void(std::span<const std::byte>)>& visit) const = 0;
};

// By content: safetensors, or a zip archive written by torch.save.
std::unique_ptr<TensorFile> open_tensor_file(const std::filesystem::path& path);

}  // namespace peryton
