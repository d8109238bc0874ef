// SPDX-License-Identifier: Apache-2.0
#include "framework/comm/combine.h"

namespace peryton {
namespace {

template <class T>
T larger(T low, T high) {
  if (low != low) return low;
  return low >= high ? low : high;  // a NaN in `high` makes the comparison false
}

template <class T>
void combine_as(CommSpan target, const void* other, Reduce op, bool target_first) {
  T* to = static_cast<T*>(target.data);
  const T* from = static_cast<const T*>(other);
  const auto apply = [&](auto f) {
    if (target_first) {
      for (std::int64_t i = 0; i < target.count; ++i) to[i] = f(to[i], from[i]);
    } else {
      for (std::int64_t i = 0; i < target.count; ++i) to[i] = f(from[i], to[i]);
    }
  };
  if (op == Reduce::kSum) {
    apply([](T low, T high) { return static_cast<T>(low + high); });
  } else {
    apply(larger<T>);
  }
}

}  // namespace

void combine(CommSpan target, const void* other, Reduce op, bool target_first) {
  switch (target.type) {
    case CommType::kFloat32:
      return combine_as<float>(target, other, op, target_first);
    case CommType::kFloat64:
      return combine_as<double>(target, other, op, target_first);
    case CommType::kInt32:
      return combine_as<std::int32_t>(target, other, op, target_first);
    case CommType::kInt64:
      return combine_as<std::int64_t>(target, other, op, target_first);
    default:
      break;
  }
  PERYTON_CHECK(false, "ranks cannot reduce {}", name_of(target.type));
}

}  // namespace peryton
