// What a kernel runs on: a team of CPU threads (later: or a CUDA stream).
//
// Thread invariance: work is cut into tasks by shape alone, every task writes its own part of the
// output, and reductions add per-task partial results in task order. The number of threads decides
// only who runs a task, so it cannot change a bit of the result.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/device.h"
#include "kernels/common/function_ref.h"

namespace peryton::kernels {

struct Context {
  Device device = {};
  int threads = 1;  // CPU: size of the team
  // Matrix products (GemmArgs::bf16_dots), those of attention and of Mamba-2's scan too, round
  // their factors to bfloat16. A choice of the run, as PyTorch's autocast is; only where
  // has_bf16_dots().
  bool bf16_dots = false;
};

// Calls task(i) once for each i in [0, count), in any order, on at most context.threads threads.
// An exception from a task is rethrown here after the team has stopped. Must not be nested.
void parallel_for(const Context& context, std::int64_t count, FunctionRef<void(std::int64_t)> task);

// The same, and tells the task on which worker it runs (0 .. context.threads-1), for scratch
// memory.
void parallel_for_worker(const Context& context, std::int64_t count,
                         FunctionRef<void(std::int64_t task, int worker)> task);

// Call before a library that would start an OpenMP team of its own (oneDNN does unless it is inside
// one): it then stays on the calling thread, and its bits do not depend on the number of threads.
void stay_on_this_thread();

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return divide_up(a, b) * b; }

// Calls task(begin, end) for consecutive blocks of at most `grain` of [0, total).
template <class F>
void parallel_blocks(const Context& context, std::int64_t total, std::int64_t grain, F&& task) {
  parallel_for(context, divide_up(total, grain), [&](std::int64_t block) {
    const std::int64_t begin = block * grain;
    const std::int64_t end = begin + grain < total ? begin + grain : total;
    task(begin, end);
  });
}

}  // namespace peryton::kernels
