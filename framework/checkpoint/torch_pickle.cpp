// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/torch_pickle.h"

#include <algorithm>
#include <cstring>

#include "framework/checkpoint/pickle_machine.h"
#include "framework/checkpoint/zip_archive.h"

namespace peryton {
namespace {

using Archive = std::map<std::string, std::span<const std::byte>>;
constexpr const char* kDamagedPickleHint =
    "the file is damaged or incomplete: copy or download it again";

// All names in the archive begin with one folder, whose name torch derives from the file's.
std::string archive_prefix(const Archive& archive, const std::string& where) {
  const std::string suffix = "/data.pkl";
  for (const auto& entry : archive) {
    if (entry.first.ends_with(suffix) &&
        entry.first.find('/') + suffix.size() == entry.first.size()) {
      return entry.first.substr(0, entry.first.size() - suffix.size());
    }
  }
  fail_input("is a zip archive without data.pkl: not written by torch.save", where);
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> storage_of(const Archive& archive, const std::string& prefix,
                                      const PickledTensor& tensor, const std::string& place) {
  const auto found = archive.find(prefix + "/data/" + tensor.storage_key);
  if (found == archive.end())
    fail_input("its storage is missing in the archive", place, kDamagedPickleHint);
  const auto have = static_cast<std::int64_t>(found->second.size());
  const std::int64_t item = size_of(tensor.tensor.dtype);
  if (have % item != 0 || have / item != tensor.storage_elements) {
    fail_input(fmt::format("its storage has {} bytes, not {} elements of {}", have,
                           tensor.storage_elements, name_of(tensor.tensor.dtype)),
               place, kDamagedPickleHint);
  }
  return found->second;
}

// One past the last element that the tensor touches in its storage, or a user error.
void check_reach(const PickledTensor& tensor, const std::string& place) {
  std::int64_t elements = 1, last = tensor.offset;
  bool overflow = false;
  for (const std::int64_t size : tensor.tensor.shape) {
    overflow |= __builtin_mul_overflow(elements, std::max<std::int64_t>(size, 1), &elements);
  }
  if (std::ranges::count(tensor.tensor.shape, 0) > 0) elements = 0;
  for (std::size_t dim = 0; elements > 0 && dim < tensor.strides.size(); ++dim) {
    std::int64_t span = 0;
    overflow |= __builtin_mul_overflow(tensor.tensor.shape[dim] - 1, tensor.strides[dim], &span);
    overflow |= __builtin_add_overflow(last, span, &last);
  }
  // More elements than the storage has would be a repeated (expanded) tensor: no weight is one.
  if (overflow || elements > tensor.storage_elements || tensor.offset > tensor.storage_elements ||
      (elements > 0 && last >= tensor.storage_elements)) {
    fail_input(fmt::format("shape {} with strides {} reaches past its storage of {} elements",
                           shape_text(tensor.tensor.shape), shape_text(tensor.strides),
                           tensor.storage_elements),
               place, kDamagedPickleHint);
  }
}

bool is_dense(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides) {
  std::int64_t step = 1;
  for (std::size_t dim = shape.size(); dim-- > 0;) {
    if (shape[dim] != 1 && strides[dim] != step) return false;
    step *= shape[dim];
  }
  return true;
}

std::vector<std::byte> gather(const StoredTensor& tensor, const std::vector<std::int64_t>& strides,
                              std::span<const std::byte> storage) {
  const std::int64_t item = size_of(tensor.dtype);
  std::vector<std::byte> dense(static_cast<std::size_t>(tensor.bytes()));
  std::vector<std::int64_t> index(tensor.shape.size(), 0);
  std::int64_t from = 0;
  for (std::int64_t to = 0; to < tensor.elements(); ++to) {
    std::memcpy(dense.data() + to * item, storage.data() + from * item,
                static_cast<std::size_t>(item));
    for (std::size_t dim = index.size(); dim-- > 0;) {
      from += strides[dim];
      if (++index[dim] < tensor.shape[dim]) break;
      from -= strides[dim] * tensor.shape[dim];
      index[dim] = 0;
    }
  }
  return dense;
}

}  // namespace

TorchFile TorchFile::open(const std::filesystem::path& path) {
  TorchFile result;
  result.path_ = path;
  result.file_ = MappedFile::open(path);
  const std::string where = path.string();
  const Archive archive = read_stored_zip(result.file_->bytes(), where);
  const std::string prefix = archive_prefix(archive, where);
  const auto order = archive.find(prefix + "/byteorder");
  if (order != archive.end() && text_of(order->second) != "little") {
    fail_input("holds big-endian numbers", where, "save it again on a usual machine");
  }
  for (auto& [name, pickled] : read_tensor_pickle(archive.at(prefix + "/data.pkl"), where)) {
    const std::string place = fmt::format("{}, tensor '{}'", where, name);
    const auto storage = storage_of(archive, prefix, pickled, place);
    check_reach(pickled, place);
    const auto skip = static_cast<std::size_t>(pickled.offset * size_of(pickled.tensor.dtype));
    result.entries_[name] = {pickled.tensor, pickled.strides, storage.subspan(skip)};
  }
  return result;
}

std::vector<std::string> TorchFile::names() const {
  std::vector<std::string> names;
  for (const auto& item : entries_) names.push_back(item.first);
  return names;
}

const TorchFile::Entry& TorchFile::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) fail_input(fmt::format("has no tensor '{}'", name), path_.string());
  return found->second;
}

Tensor TorchFile::load(const std::string& name, std::optional<DType> as) const {
  Tensor tensor;
  visit_bytes(name, [&](std::span<const std::byte> bytes) {
    tensor = tensor_from_stored(entry(name).tensor, bytes, as,
                                fmt::format("{}, tensor '{}'", path_.string(), name));
  });
  return tensor;
}

void TorchFile::visit_bytes(const std::string& name,
                            const std::function<void(std::span<const std::byte>)>& visit) const {
  const Entry& found = entry(name);
  if (is_dense(found.tensor.shape, found.strides)) {
    visit(found.storage.first(static_cast<std::size_t>(found.tensor.bytes())));
  } else {
    visit(gather(found.tensor, found.strides, found.storage));
  }
}

}  // namespace peryton
