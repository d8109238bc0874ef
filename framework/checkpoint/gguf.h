// GGUF, the file format of llama.cpp, versions 2 and 3, little-endian: "GGUF", version, number of
// tensors, number of metadata entries; each entry a key, a type and a value; for each tensor name,
// sizes (fastest first), type and offset; then, aligned, the tensors' bytes.
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
#include "framework/checkpoint/gguf_types.h"
#include "framework/checkpoint/gguf_value.h"
#include "framework/core/tensor.h"

namespace peryton {

struct GgufTensor {
  const GgufTensorType* type = nullptr;
  std::vector<std::int64_t> shape;  // row-major as elsewhere: the last size is the fastest
  std::span<const std::byte> bytes;
  std::int64_t elements() const;
};

class GgufFile {
 public:
  // Maps the file and checks all of it but the elements: whatever is wrong is the user's error,
  // names file, key or tensor, and happens here.
  static GgufFile open(const std::filesystem::path& path);
  // Whether the file begins as a GGUF file does; false where it cannot be read.
  static bool is_gguf(const std::filesystem::path& path);
  // The same from bytes that outlive it.
  static GgufFile parse(std::span<const std::byte> bytes, const std::string& where);

  const std::string& where() const { return where_; }
  std::uint32_t version() const { return version_; }
  const std::map<std::string, GgufValue>& metadata() const { return metadata_; }
  const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }
  bool has(const std::string& key) const { return metadata_.count(key) != 0; }

  // Values by key; nullopt where there is none, the user's error where it has another type.
  std::optional<std::int64_t> integer(const std::string& key) const;
  std::optional<double> number(const std::string& key) const;
  std::optional<std::string> text(const std::string& key) const;
  // The elements of an array (empty where there is none); a single value is an array of one.
  std::vector<std::int64_t> integers(const std::string& key) const;
  std::vector<double> numbers(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;

  const GgufTensor& tensor(const std::string& name) const;  // an unknown name: the user's error
  // An owned, contiguous tensor of a floating `as`. A type that we cannot decode is the user's
  // error and names type and tensor.
  Tensor load(const std::string& name, DType as = DType::kFloat32) const;
  std::string place_of(const std::string& key) const;  // "m.gguf, key 'x'", for errors

 private:
  void read(std::span<const std::byte> bytes);
  void read_counts(GgufCursor& cursor, std::uint64_t& tensors, std::uint64_t& entries);
  void read_entry(GgufCursor& cursor);
  std::uint64_t alignment() const;

  std::string where_;
  std::shared_ptr<MappedFile> file_;
  std::uint32_t version_ = 0;
  std::map<std::string, GgufValue> metadata_;
  std::map<std::string, GgufTensor> tensors_;
};

}  // namespace peryton
