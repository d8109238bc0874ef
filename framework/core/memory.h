// Tensor memory: 64-byte aligned, counted. The counters are what `peak_memory_bytes` reports.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace peryton {

// An owned block of bytes, shared by the tensors that view it.
class Buffer {
 public:
  // Uninitialised memory from the counted allocator.
  static std::shared_ptr<Buffer> allocate(std::int64_t bytes);
  // Memory owned by somebody else (a mapped file); `owner` keeps it alive. Not counted.
  static std::shared_ptr<Buffer> borrow(void* data, std::int64_t bytes,
                                        std::shared_ptr<void> owner);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::byte* data() const { return data_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  Buffer(std::byte* data, std::int64_t bytes, std::shared_ptr<void> owner, bool counted)
      : data_(data), bytes_(bytes), owner_(std::move(owner)), counted_(counted) {}

  std::byte* data_;
  std::int64_t bytes_;
  std::shared_ptr<void> owner_;
  bool counted_;
};

// Tells malloc to keep what is freed instead of giving it back to the system: a training step frees
// and takes the same tensors again, and fresh pages cost a fault and a clearing each. Call once,
// before the first tensor.
void keep_freed_memory();

struct MemoryUse {
  std::int64_t live_bytes = 0;
  std::int64_t peak_bytes = 0;  // since the last reset
};

// Counters of this process, all threads together.
MemoryUse memory_use();
void reset_peak_memory();

}  // namespace peryton
