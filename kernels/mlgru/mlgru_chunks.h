// How rows are cut into tasks, and how chunks are joined.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/common/argument_error.h"
#include "kernels/mlgru/mlgru.h"

namespace peryton::kernels::cpu {

template <class T>
void check_mlgru(const MlgruArgs<T>& args) {
  require(args.batch >= 0 && args.tokens >= 0 && args.channels > 0 && args.chunk > 0, "mlgru",
          args.channels, " channels in chunks of ", args.chunk);
}

// Calls run(task) for every (row, block of channels, chunk of tokens).
template <class T, class F>
void for_mlgru_tasks(const MlgruArgs<T>& args, const Context& context, F&& run) {
  const std::int64_t blocks = divide_up(args.channels, kMlgruChannelBlock);
  parallel_for(context, args.batch * args.chunks() * blocks, run);
}

// Turns "what a chunk makes of a zero state" into "the state that enters it": first to last chunk,
// or last to first. `values` and `products` are [batch, chunks, channels], `start` [batch,
// channels].
inline void carry_chunks(std::int64_t batch, std::int64_t chunks, std::int64_t channels,
                         const float* start, bool backwards, float* values, const float* products,
                         const Context& context) {
  parallel_blocks(context, batch * channels, 1024, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) {
      const std::int64_t b = at / channels, c = at % channels;
      float entering = start == nullptr ? 0.0f : start[at];
      for (std::int64_t step = 0; step < chunks; ++step) {
        const std::int64_t chunk = backwards ? chunks - 1 - step : step;
        const std::int64_t i = (b * chunks + chunk) * channels + c;
        const float leaving = values[i] + products[i] * entering;
        values[i] = entering;
        entering = leaving;
      }
    }
  });
}

}  // namespace peryton::kernels::cpu
