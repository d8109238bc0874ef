// SPDX-License-Identifier: Apache-2.0
#include "framework/core/memory.h"

#include <malloc.h>
#include <sys/mman.h>

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

// Large tensors lie on huge pages where the system gives them to those who ask: a fault per 2 MiB
// instead of 512, and a product of matrices misses few translations of addresses. Neighbours in
// the same pages are asked for as well, which changes nothing but their speed.
void ask_for_huge_pages(std::byte* data, std::int64_t bytes) {
  constexpr std::int64_t kHugePage = 2 << 20;
  if (bytes < kHugePage) return;
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  const std::uintptr_t begin = address / kHugePage * kHugePage;
  madvise(reinterpret_cast<void*>(begin), address + static_cast<std::uintptr_t>(bytes) - begin,
          MADV_HUGEPAGE);
}

}  // namespace

std::shared_ptr<Buffer> Buffer::allocate(std::int64_t bytes) {
  auto* data = static_cast<std::byte*>(
      ::operator new(static_cast<std::size_t>(bytes > 0 ? bytes : 1), kAlignment));
  ask_for_huge_pages(data, bytes);
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
  mallopt(M_MMAP_MAX, 0);  // a threshold can be 32 MiB at most, logits take more
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 16 << 20);
}

MemoryUse memory_use() { return {meter().live.load(), meter().peak.load()}; }

void reset_peak_memory() { meter().peak.store(meter().live.load()); }

}  // namespace peryton
