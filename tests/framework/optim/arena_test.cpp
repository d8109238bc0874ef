// SPDX-License-Identifier: Apache-2.0
#include "framework/optim/arena.h"

#include <gtest/gtest.h>

#include <numeric>

namespace peryton {
namespace {

ParameterPtr make(const std::string& name, const Shape& shape, bool trainable = true,
                  const std::string& group = "projectors", DType dtype = DType::kFloat32) {
  auto parameter = std::make_shared<Parameter>();
  parameter->name = name;
  parameter->group = group;
  parameter->trainable = trainable;
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  std::iota(values.begin(), values.end(), static_cast<float>(name.back()));
  parameter->value = Tensor::from_values<float>(shape, values).to(dtype);
  return parameter;
}

TEST(Arena, LaysOutTrainablesInReverseOrderWithAlignedSlots) {
  const auto a = make("a", {3, 5}), frozen = make("f", {100}, false), b = make("b", {33}),
             c = make("c", {1}, true, "alpha");
  const Tensor frozen_value = frozen->value;
  const TrainableArena arena({a, frozen, b, a, c});  // `a` is tied: used twice
  ASSERT_EQ(arena.slots().size(), 3u);
  EXPECT_EQ(arena.slots()[0].parameter, c);
  EXPECT_EQ(arena.slots()[1].parameter, b);
  EXPECT_EQ(arena.slots()[2].parameter, a);
  EXPECT_EQ(arena.slots()[0].range, (ArenaRange{0, 1}));
  EXPECT_EQ(arena.slots()[1].range, (ArenaRange{32, 65}));
  EXPECT_EQ(arena.slots()[2].range, (ArenaRange{96, 111}));
  EXPECT_EQ(arena.elements(), 128);
  for (const ArenaSlot& slot : arena.slots()) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(slot.parameter->value.raw()) % 64, 0u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(slot.parameter->gradient.raw()) % 64, 0u);
  }
  EXPECT_EQ(arena.slot_of(*a), 2);
  EXPECT_EQ(arena.slot_of(*frozen), -1);
  EXPECT_EQ(frozen->value.raw(), frozen_value.raw());
  EXPECT_FALSE(frozen->gradient.defined());
  EXPECT_EQ(arena.groups(), (std::vector<std::string>{"alpha", "projectors"}));
  EXPECT_EQ(arena.slots_of_group("projectors"), (std::vector<int>{1, 2}));
}

TEST(Arena, ValuesAndGradientsAliasTheFlatBuffers) {
  const auto a = make("a", {2, 2}), b = make("b", {3});
  const TrainableArena arena({a, b});
  EXPECT_EQ(a->value.values<float>()[3], 100.0f);  // 'a' is 97
  a->value.fill(7);
  a->gradient.fill(8);
  EXPECT_EQ(arena.weights().values<float>()[35], 7.0f);
  EXPECT_EQ(arena.gradients().values<float>()[32], 8.0f);
  EXPECT_EQ(arena.named_weights()[1].name, "a");
  EXPECT_EQ(arena.named_weights()[1].value.shape(), (Shape{2, 2}));
  EXPECT_EQ(arena.named_weights()[1].value.raw(), a->value.raw());
  arena.zero_gradients();
  EXPECT_EQ(a->gradient.values<float>()[0], 0.0f);
  EXPECT_EQ(arena.named_moment1()[0].value.raw(), arena.moment1().raw());
}

TEST(Arena, ReleaseGivesValuesBack) {
  const auto a = make("a", {2, 2});
  auto arena = std::make_unique<TrainableArena>(std::vector<ParameterPtr>{a});
  a->value.fill(3);
  const void* inside = a->value.raw();
  arena.reset();
  EXPECT_NE(a->value.raw(), inside);
  EXPECT_EQ(a->value.values<float>()[3], 3.0f);
  EXPECT_FALSE(a->gradient.defined());
}

TEST(Arena, MemoryIsFourFlatBuffersAndNothingForFrozen) {
  const auto a = make("a", {1000}), frozen = make("f", {100000}, false);
  const std::int64_t before = memory_use().live_bytes;
  const TrainableArena arena({a, frozen});
  EXPECT_EQ(memory_use().live_bytes - before, 4 * 4 * 1024 - 4 * 1000);  // the old value is gone
}

TEST(Arena, BFloat16WorkingCopyFollowsTheMaster) {
  const auto a = make("a", {4}), alpha = make("x", {2}, true, "alpha");
  a->value.values<float>()[1] = 1.001f;  // lost in bfloat16, kept in the master
  TrainableArena arena({a, alpha}, {.working = DType::kBFloat16});
  EXPECT_EQ(a->value.dtype(), DType::kBFloat16);
  EXPECT_EQ(a->gradient.dtype(), DType::kFloat32);
  EXPECT_EQ(alpha->value.dtype(), DType::kFloat32);
  EXPECT_EQ(alpha->value.raw(), arena.slot_view(arena.weights(), 0).raw());
  EXPECT_EQ(static_cast<float>(a->value.values<BFloat16>()[1]), 1.0f);
  const Tensor master = arena.slot_view(arena.weights(), 1);
  EXPECT_EQ(master.values<float>()[1], 1.001f);
  master.fill(2.5);
  arena.refresh_working_copies({.threads = 3});
  EXPECT_EQ(static_cast<float>(a->value.values<BFloat16>()[3]), 2.5f);
  master.fill(1.001);
  arena.release();
  EXPECT_EQ(a->value.dtype(), DType::kFloat32);  // as it was before
  EXPECT_EQ(a->value.values<float>()[0], 1.001f);
}

TEST(Arena, DtypesOfValuesDecide) {
  const auto half = make("a", {4}, true, "norms", DType::kBFloat16), full = make("b", {4});
  const TrainableArena arena({half, full});
  EXPECT_EQ(arena.dtype(), DType::kFloat32);
  EXPECT_EQ(half->value.dtype(), DType::kBFloat16);
  EXPECT_EQ(full->value.dtype(), DType::kFloat32);
  const auto precise = make("c", {4}, true, "norms", DType::kFloat64);
  EXPECT_THROW(TrainableArena({full, precise}), Error);
  const TrainableArena doubles({precise});
  EXPECT_EQ(doubles.dtype(), DType::kFloat64);
  EXPECT_EQ(precise->gradient.dtype(), DType::kFloat64);
}

TEST(Arena, EmptyArenaWorks) {
  const TrainableArena arena({make("f", {3}, false)});
  EXPECT_EQ(arena.elements(), 0);
  EXPECT_TRUE(arena.groups().empty());
  arena.zero_gradients();
  arena.refresh_working_copies({});
}

TEST(Arena, ShardsCoverItOnce) {
  const TrainableArena arena({make("a", {1000}), make("b", {77})});
  for (const int count : {1, 2, 3, 7, 100}) {
    std::int64_t end = 0;
    for (int index = 0; index < count; ++index) {
      const ArenaRange shard = arena.shard(index, count);
      EXPECT_EQ(shard.begin, end);
      EXPECT_TRUE(shard.begin % TrainableArena::kSlotAlignment == 0 || shard.size() == 0);
      end = shard.end;
    }
    EXPECT_EQ(end, arena.elements());
  }
}

}  // namespace
}  // namespace peryton
