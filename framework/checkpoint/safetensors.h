// The safetensors format: 8 bytes little-endian header length, a JSON header {"name": {"dtype",
// "shape", "data_offsets": [begin, end)}, "__metadata__": {text: text}}, then the tensors' bytes
// without holes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/tensor_file.h"
#include "framework/core/named_tensor.h"

namespace peryton {

class SafetensorsFile final : public TensorFile {
 public:
  // Maps the file and checks all of its header; whatever is wrong is the user's error, names file
  // and tensor, and happens here, not at load().
  static SafetensorsFile open(const std::filesystem::path& path);

  std::vector<std::string> names() const override;
  bool contains(const std::string& name) const override { return entries_.count(name) != 0; }
  const StoredTensor& info(const std::string& name) const override { return entry(name).tensor; }
  Tensor load(const std::string& name, std::optional<DType> as = std::nullopt) const override;
  void visit_bytes(const std::string& name,
                   const std::function<void(std::span<const std::byte>)>& visit) const override;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  struct Entry {
    StoredTensor tensor;
    std::span<const std::byte> bytes;
  };
  const Entry& entry(const std::string& name) const;

  std::filesystem::path path_;
  std::shared_ptr<MappedFile> file_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

// Writes the tensors atomically (files.h), strided ones densely: widest elements first so that each
// is aligned, sorted by name within. Equal content gives equal bytes. `metadata` gets "format":
// "pt" (what transformers asks for) if it has no "format". Two tensors of one name are an internal
// error. `at_point` gets "tensors-open", "tensors-header", "tensors-half", "tensors-written",
// "file-synced", "file-renamed".
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       std::map<std::string, std::string> metadata = {},
                       const FaultPoint& at_point = {});

}  // namespace peryton
