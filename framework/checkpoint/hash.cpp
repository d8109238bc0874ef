// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/hash.h"

#include <xxhash.h>

#include <algorithm>
#include <vector>

#include "framework/checkpoint/files.h"

namespace peryton {

struct Hasher::State {
  XXH3_state_t* xxh = XXH3_createState();
  ~State() { XXH3_freeState(xxh); }
};

Hasher::Hasher() : state_(std::make_unique<State>()) {
  PERYTON_CHECK(state_->xxh != nullptr);
  XXH3_128bits_reset(state_->xxh);
}

Hasher::~Hasher() = default;

void Hasher::add(std::span<const std::byte> bytes) {
  if (!bytes.empty()) XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size());
}

void Hasher::add(std::string_view text) {
  add(static_cast<std::int64_t>(text.size()));
  add(std::as_bytes(std::span(text.data(), text.size())));
}

void Hasher::add(std::int64_t value) { add(std::as_bytes(std::span(&value, 1))); }

std::string Hasher::hex() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->xxh);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string hash_bytes(std::span<const std::byte> bytes) {
  Hasher hasher;
  hasher.add(bytes);
  return hasher.hex();
}

std::string hash_text(std::string_view text) {
  return hash_bytes(std::as_bytes(std::span(text.data(), text.size())));
}

std::string hash_file(const std::filesystem::path& path) {
  return hash_bytes(MappedFile::open(path)->bytes());
}

std::string hash_tensors(std::span<const NamedTensor> tensors) {
  std::vector<const NamedTensor*> sorted;
  for (const NamedTensor& tensor : tensors) sorted.push_back(&tensor);
  std::ranges::sort(sorted, {}, &NamedTensor::name);
  Hasher hasher;
  for (const NamedTensor* tensor : sorted) {
    hasher.add(std::string_view(tensor->name));
    hasher.add(name_of(tensor->value.dtype()));
    hasher.add(static_cast<std::int64_t>(tensor->value.rank()));
    for (const std::int64_t size : tensor->value.shape().vector()) hasher.add(size);
    const Tensor dense = tensor->value.as_contiguous();
    hasher.add(std::span(static_cast<const std::byte*>(dense.raw()),
                         static_cast<std::size_t>(dense.bytes())));
  }
  return hasher.hex();
}

}  // namespace peryton
