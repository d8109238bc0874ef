// Reads pytorch_model.bin: a zip archive of stored entries, of which data.pkl describes tensors and
// data/<key> hold their storages. The pickle language can call anything; this reader knows only
// what a table of tensors needs (OrderedDict, _rebuild_tensor_v2, _rebuild_parameter, typed
// storages) and executes nothing. Any other name or call is the user's error and says what the file
// tried to call.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/tensor_file.h"

namespace peryton {

class TorchFile final : public TensorFile {
 public:
  static TorchFile open(const std::filesystem::path& path);

  std::vector<std::string> names() const override;
  bool contains(const std::string& name) const override { return entries_.count(name) != 0; }
  const StoredTensor& info(const std::string& name) const override { return entry(name).tensor; }
  Tensor load(const std::string& name, std::optional<DType> as = std::nullopt) const override;
  void visit_bytes(const std::string& name,
                   const std::function<void(std::span<const std::byte>)>& visit) const override;

 private:
  struct Entry {
    StoredTensor tensor;
    std::vector<std::int64_t> strides;   // elements
    std::span<const std::byte> storage;  // from the tensor's first element on
  };
  const Entry& entry(const std::string& name) const;

  std::filesystem::path path_;
  std::shared_ptr<MappedFile> file_;
  std::map<std::string, Entry> entries_;
};

}  // namespace peryton
