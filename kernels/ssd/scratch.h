// Hands out pieces of a caller's workspace; with a null base it only counts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace peryton::kernels {

constexpr std::int64_t kSsdPadding = 16;  // tile rows are padded to whole vectors of any target

constexpr std::int64_t ssd_padded(std::int64_t length) {
  return (length + kSsdPadding - 1) / kSsdPadding * kSsdPadding;
}

template <class T>
class Scratch {
 public:
  explicit Scratch(T* base) : base_(base) {}
  T* take(std::int64_t elements) {
    T* piece = base_ == nullptr ? nullptr : base_ + used_;
    used_ += ssd_padded(elements);  // keeps every piece aligned to a cache line
    return piece;
  }
  std::int64_t used() const { return used_; }

 private:
  T* base_;
  std::int64_t used_ = 0;
};

// The memory of worker `index` behind `base`: Tiles lays itself out by (scratch, layout...).
template <class Tiles, class T, class... Layout>
Tiles worker_tiles(T* base, int index, const Layout&... layout) {
  Scratch<T> counter(nullptr);
  Tiles(counter, layout...);
  Scratch<T> scratch(base + index * counter.used());
  return Tiles(scratch, layout...);
}

}  // namespace peryton::kernels
