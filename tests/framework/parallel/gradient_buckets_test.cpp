// SPDX-License-Identifier: Apache-2.0
#include "framework/parallel/gradient_buckets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <vector>

#include "framework/comm/world.h"
#include "framework/optim/adamw.h"
#include "tests/support/toy_model.h"

namespace peryton {
namespace {

using Kind = BucketEvent::Kind;
constexpr int kLayers = 8;
constexpr std::int64_t kWidth = 96;
constexpr std::int64_t kBatch = 8;

struct Run {
  int ranks = 1;
  int accumulate = 1;
  BucketOptions options;
  std::vector<int> unused;
};

// Gradients of one global batch of kBatch samples: mean loss over samples.
std::vector<double> gradients(const Run& run) {
  std::vector<std::vector<double>> all(static_cast<std::size_t>(run.ranks));
  run_ranks(run.ranks, [&](Communicator& ranks) {
    const testing::ToyModel model(kLayers, kWidth);
    TrainableArena arena(model.parameters());
    GradientReducer reducer(arena, ranks, run.options);
    const std::int64_t per_rank = kBatch / run.ranks, per_micro = per_rank / run.accumulate;
    const double scale = 1.0 / static_cast<double>(run.options.average ? per_rank : kBatch);
    for (int micro = 0; micro < run.accumulate; ++micro) {
      // One tape per sample, so only the last sample of the last micro-batch may report.
      for (std::int64_t i = 0; i < per_micro; ++i) {
        reducer.begin(micro + 1 == run.accumulate && i + 1 == per_micro);
        Tape tape({});
        tape.on_gradient_ready(reducer.listener());
        const std::int64_t sample = ranks.rank() * per_rank + micro * per_micro + i;
        tape.backward(model.loss(tape, sample, scale, run.unused));
        reducer.backward_ended();
      }
    }
    reducer.finish();
    const auto values = arena.gradients().values<double>();
    all[static_cast<std::size_t>(ranks.rank())] = {values.begin(), values.end()};
  });
  for (const auto& other : all) EXPECT_EQ(other, all[0]) << "ranks disagree";
  return all[0];
}

void expect_close(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  double largest = 0;
  for (const double value : a) largest = std::max(largest, std::abs(value));
  ASSERT_GT(largest, 0);
  // Eight terms added in another order.
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], largest * 8 * 2.3e-16) << i;
}

TEST(GradientBuckets, AnyNumberOfRanksGivesTheSingleRankGradient) {
  const auto single = gradients({});
  for (const int ranks : {1, 2, 4}) {
    for (const std::int64_t bytes : {1, 2000, 1 << 20}) {
      expect_close(single,
                   gradients({.ranks = ranks, .options = {.bucket_bytes = bytes}, .unused = {}}));
    }
    expect_close(single, gradients({.ranks = ranks, .options = {.average = true}, .unused = {}}));
    expect_close(single, gradients({.ranks = ranks, .accumulate = 2, .options = {}, .unused = {}}));
  }
}

TEST(GradientBuckets, ParametersOutOfUseAreSentAsZeros) {
  const std::vector<int> unused{0, 3, 7};
  const auto single = gradients({.options = {}, .unused = unused});
  expect_close(single,
               gradients({.ranks = 2, .options = {.bucket_bytes = 1000}, .unused = unused}));
  EXPECT_EQ(single[0], 0.0);  // the last layer lies first
}

TEST(GradientBuckets, BucketsCoverTheArenaInOrder) {
  const testing::ToyModel model(kLayers, 33);
  TrainableArena arena(model.parameters());
  const auto self = self_communicator();
  for (const std::int64_t bytes : {1, 600, 1 << 20}) {
    const GradientReducer reducer(arena, *self, {.bucket_bytes = bytes});
    const auto& buckets = reducer.buckets();
    EXPECT_EQ(buckets.front().begin, 0);
    EXPECT_EQ(buckets.back().end, arena.slots().back().range.end);
    for (std::size_t i = 1; i < buckets.size(); ++i) {
      EXPECT_GE(buckets[i].begin, buckets[i - 1].end);
      EXPECT_LT(buckets[i].begin - buckets[i - 1].end, TrainableArena::kSlotAlignment);
    }
    EXPECT_EQ(buckets.size(), bytes == 1 ? 16u : bytes == 600 ? 8u : 1u);
  }
}

TEST(GradientBuckets, AreSentBeforeBackwardEnds) {
  run_ranks(2, [](Communicator& ranks) {
    testing::ToyModel model(kLayers, kWidth);
    TrainableArena arena(model.parameters());
    GradientReducer reducer(arena, ranks, {.bucket_bytes = 1, .trace = true});
    std::vector<std::size_t> events_at_layer(kLayers);
    model.on_backward = [&](int layer) {
      events_at_layer[static_cast<std::size_t>(layer)] = reducer.events().size();
    };
    reducer.begin(true);
    Tape tape({});
    tape.on_gradient_ready(reducer.listener());
    tape.backward(model.loss(tape, ranks.rank(), 1.0));
    reducer.backward_ended();
    reducer.finish();
    const auto& events = reducer.events();
    const auto started = [&](int bucket) {
      const auto found = std::ranges::find_if(events, [&](const BucketEvent& event) {
        return event.kind == Kind::kBucketStarted && event.index == bucket;
      });
      return static_cast<std::size_t>(found - events.begin());
    };
    // Bucket 2j holds the bias of layer L-1-j and bucket 2j+1 its weight: both leave before the
    // next layer runs.
    for (int layer = kLayers - 1; layer > 0; --layer) {
      const int bucket = 2 * (kLayers - 1 - layer);
      EXPECT_LT(started(bucket), events_at_layer[static_cast<std::size_t>(layer - 1)]);
      EXPECT_LT(started(bucket + 1), events_at_layer[static_cast<std::size_t>(layer - 1)]);
    }
    EXPECT_EQ(events.front().kind, Kind::kBackwardBegan);
    EXPECT_EQ(events.back().kind, Kind::kFinished);
    for (std::size_t i = 1; i < events.size(); ++i)
      EXPECT_GE(events[i].seconds, events[i - 1].seconds);
  });
}

TEST(GradientBuckets, NothingIsSentBeforeTheLastMicroBatch) {
  const testing::ToyModel model(kLayers, kWidth);
  TrainableArena arena(model.parameters());
  const auto self = self_communicator();
  GradientReducer reducer(arena, *self, {.bucket_bytes = 1, .trace = true});
  reducer.begin(false);
  Tape tape({});
  tape.on_gradient_ready(reducer.listener());
  tape.backward(model.loss(tape, 0, 1.0));
  reducer.backward_ended();
  EXPECT_EQ(reducer.events().size(), 2u);
  EXPECT_THROW(reducer.finish(), Error);
}

TEST(GradientBuckets, MarkedZeroCountsAsReadyAndTwiceIsAnError) {
  const testing::ToyModel model(2, kWidth);
  TrainableArena arena(model.parameters());
  const auto self = self_communicator();
  GradientReducer reducer(arena, *self, {.bucket_bytes = 1, .trace = true});
  reducer.begin(true);
  reducer.mark_ready_zero(*model.parameters()[3]);  // lies first
  EXPECT_EQ(reducer.events().back().kind, Kind::kBucketStarted);
  EXPECT_THROW(reducer.ready(*model.parameters()[3]), Error);
}

TEST(GradientBuckets, ArenasOfDifferentSizesAreReported) {
  EXPECT_THROW(run_ranks(2,
                         [](Communicator& ranks) {
                           const testing::ToyModel model(2 + ranks.rank(), kWidth);
                           TrainableArena arena(model.parameters());
                           GradientReducer reducer(arena, ranks);
                         }),
               Error);
}

// Fifty steps of training: ranks 1, 2 and 4 follow the same losses.
TEST(GradientBuckets, TrainingDoesNotDependOnTheNumberOfRanks) {
  std::vector<double> reference;
  for (const int count : {1, 2, 4}) {
    std::vector<double> losses;
    run_ranks(count, [&](Communicator& ranks) {
      const testing::ToyModel model(4, kWidth);
      TrainableArena arena(model.parameters());
      GradientReducer reducer(arena, ranks, {.bucket_bytes = 700});
      AdamW adamw(arena,
                  {{"projectors", {.learning_rate = 1e-2, .weight_decay = 0.1, .clip = 1.0}}});
      for (std::int64_t step = 0; step < 50; ++step) {
        double loss = 0;
        const std::int64_t per_rank = 4 / count;
        for (std::int64_t i = 0; i < per_rank; ++i) {
          reducer.begin(i + 1 == per_rank);
          Tape tape({});
          tape.on_gradient_ready(reducer.listener());
          const Variable sample = model.loss(tape, 4 * step + ranks.rank() * per_rank + i, 0.25);
          loss += sample.value().item();
          tape.backward(sample);
          reducer.backward_ended();
        }
        reducer.finish();
        adamw.step(step, {});
        loss = ranks.sum(loss);
        if (ranks.rank() == 0) losses.push_back(loss);
      }
    });
    if (reference.empty()) reference = losses;
    EXPECT_LT(losses.back(), 0.8 * losses.front());  // it learns something
    for (std::size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(losses[i], reference[i], 1e-9 * reference[i]) << count << " ranks, step " << i;
    }
  }
}

}  // namespace
}  // namespace peryton
