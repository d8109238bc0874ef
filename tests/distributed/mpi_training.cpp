// Trains the toy model with bucketed gradients and the fused optimiser under mpirun, and the same
// alone, in every rank: 50 losses must agree within 1e-9, the replicas to the bit, and buckets must
// leave before backward ends.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include "framework/comm/world.h"
#include "framework/optim/adamw.h"
#include "framework/parallel/gradient_buckets.h"
#include "framework/parallel/replica_check.h"
#include "tests/support/toy_model.h"

namespace peryton {
namespace {

constexpr std::int64_t kBatch = 4;

// Whether some bucket was started before the first BackwardEnded.
bool overlaps(const std::vector<BucketEvent>& events) {
  for (const BucketEvent& event : events) {
    if (event.kind == BucketEvent::Kind::kBucketStarted) return true;
    if (event.kind == BucketEvent::Kind::kBackwardEnded) return false;
  }
  return false;
}

std::vector<double> train(Communicator& ranks) {
  const testing::ToyModel model(4, 5000);
  TrainableArena arena(model.parameters());
  GradientReducer reducer(arena, ranks, {.bucket_bytes = 60000, .trace = true});
  AdamW adamw(arena, {{"projectors", {.learning_rate = 1e-2, .weight_decay = 0.1, .clip = 1.0}}});
  std::vector<double> losses;
  const std::int64_t per_rank = kBatch / ranks.size();
  for (std::int64_t step = 0; step < 50; ++step) {
    double loss = 0;
    for (std::int64_t i = 0; i < per_rank; ++i) {
      reducer.begin(i + 1 == per_rank);
      Tape tape({});
      tape.on_gradient_ready(reducer.listener());
      const std::int64_t sample = kBatch * step + ranks.rank() * per_rank + i;
      const Variable scaled = model.loss(tape, sample, 1.0 / kBatch);
      loss += scaled.value().item();
      tape.backward(scaled);
      reducer.backward_ended();
    }
    reducer.finish();
    PERYTON_CHECK(overlaps(reducer.events()), "no bucket left before backward ended");
    adamw.step(step, {});
    losses.push_back(ranks.sum(loss));
  }
  check_replicas(arena, ranks, 50);
  return losses;
}

}  // namespace
}  // namespace peryton

int main() {
  return peryton::run_in_mpi_world([](peryton::Communicator& ranks) {
    const auto together = peryton::train(ranks),
               alone = peryton::train(*peryton::self_communicator());
    for (std::size_t step = 0; step < alone.size(); ++step) {
      PERYTON_CHECK(std::abs(together[step] - alone[step]) <= 1e-9 * alone[step],
                    "step {}: {} not {}", step, together[step], alone[step]);
    }
    if (ranks.rank() == 0) std::printf("loss %g to %g\n", alone.front(), alone.back());
    return alone.back() < 0.8 * alone.front() ? 0 : 1;
  });
}
