// Thread teams on std::thread: for the thread sanitizer, which does not understand libgomp.
// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/common/context.h"

namespace peryton::kernels {

void parallel_for_worker(const Context& context, std::int64_t count,
                         FunctionRef<void(std::int64_t, int)> task) {
  if (context.threads <= 1 || count <= 1) {
    for (std::int64_t i = 0; i < count; ++i) task(i, 0);
    return;
  }
  std::atomic<std::int64_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto work = [&](int worker) {
    for (std::int64_t i = next++; i < count; i = next++) {
      try {
        task(i, worker);
      } catch (...) {
        const std::lock_guard lock(failure_mutex);
        failure = std::current_exception();
      }
    }
  };
  std::vector<std::thread> team;
  for (int worker = 1; worker < context.threads; ++worker) team.emplace_back(work, worker);
  work(0);
  for (auto& thread : team) thread.join();
  if (failure) std::rethrow_exception(failure);
}

// This build does not know libgomp: run it with OMP_NUM_THREADS=1.
void stay_on_this_thread() {}

void parallel_for(const Context& context, std::int64_t count,
                  FunctionRef<void(std::int64_t)> task) {
  parallel_for_worker(context, count, [&](std::int64_t i, int) { task(i); });
}

}  // namespace peryton::kernels
