// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/tensor_file.h"

#include <string_view>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/checkpoint/torch_pickle.h"

namespace peryton {

std::unique_ptr<TensorFile> open_tensor_file(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()),
                              file->bytes().size());
  if (text.starts_with("version https://git-lfs")) {
    fail_input("is a Git LFS pointer, not the weights themselves", path.string(),
               "run `git lfs pull` in the model's folder, or download the file");
  }
  if (text.starts_with("PK\x03\x04")) return std::make_unique<TorchFile>(TorchFile::open(path));
  // The opening of torch's magic number, a pickled long; a safetensors header of that length would
  // be refused.
  if (text.starts_with("\x80\x02\x8a\x0a")) {
    fail_input("is in the format that torch.save wrote before version 1.6", path.string(),
               "load it in PyTorch and save it again, or use a model.safetensors");
  }
  return std::make_unique<SafetensorsFile>(SafetensorsFile::open(path));
}

}  // namespace peryton
