// Thread teams on OpenMP, so that one pool serves us and oneDNN. Inside the team oneDNN sees an
// active parallel region and runs its calls single-threaded.
// SPDX-License-Identifier: Apache-2.0
#include <omp.h>

#include <exception>
#include <mutex>

#include "kernels/common/context.h"

namespace peryton::kernels {

void parallel_for_worker(const Context& context, std::int64_t count,
                         FunctionRef<void(std::int64_t, int)> task) {
  if (context.threads <= 1 || count <= 1) {
    for (std::int64_t i = 0; i < count; ++i) task(i, 0);
    return;
  }
  std::exception_ptr failure;
  std::mutex failure_mutex;
#pragma omp parallel for num_threads(context.threads) schedule(dynamic, 1)
  for (std::int64_t i = 0; i < count; ++i) {
    try {
      task(i, omp_get_thread_num());
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

void stay_on_this_thread() {
  if (!omp_in_parallel() && omp_get_max_threads() != 1) omp_set_num_threads(1);
}

void parallel_for(const Context& context, std::int64_t count,
                  FunctionRef<void(std::int64_t)> task) {
  parallel_for_worker(context, count, [&](std::int64_t i, int) { task(i); });
}

}  // namespace peryton::kernels
