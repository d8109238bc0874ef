// SPDX-License-Identifier: Apache-2.0
#include "framework/core/memory.h"

#include <malloc.h>

#include <atomic>
#include <new>

namespace peryton {
namespace {

constexpr std::align_val_t kAlignment{64};

// Measurement of the process as a whole, so it is process-wide by nature; nothing reads it to
// decide.
struct Meter {
  std::atomic<std::int64_t> live{0};
  std::atomic<std::int64_t> peak{0};

  void add(std::int64_t bytes) {
    const std::int64_t now = live.fetch_add(bytes) + bytes;
    std::int64_t seen = peak.load();
    while (now > seen && !peak.compare_exchange_weak(seen, now)) {
    }
  }
};

Meter& meter() {
  static Meter instance;
  return instance;
}

}  // namespace

std::shared_ptr<Buffer> Buffer::allocate(std::int64_t bytes) {
  auto* data = static_cast<std::byte*>(
      ::operator new(static_cast<std::size_t>(bytes > 0 ? bytes : 1), kAlignment));
  meter().add(bytes);
  return std::shared_ptr<Buffer>(new Buffer(data, bytes, nullptr, true));
}

std::shared_ptr<Buffer> Buffer::borrow(void* data, std::int64_t bytes,
                                       std::shared_ptr<void> owner) {
  return std::shared_ptr<Buffer>(
      new Buffer(static_cast<std::byte*>(data), bytes, std::move(owner), false));
}

Buffer::~Buffer() {
  if (!counted_) return;
  ::operator delete(data_, kAlignment);
  meter().add(-bytes_);
}

void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest that glibc takes
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 16 << 20);
}

MemoryUse memory_use() { return {meter().live.load(), meter().peak.load()}; }

void reset_peak_memory() { meter().peak.store(meter().live.load()); }

}  // namespace peryton
