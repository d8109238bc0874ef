// SPDX-License-Identifier: Apache-2.0
#include "framework/nn/initialise.h"

#include <string_view>

#include "framework/core/rng.h"

namespace peryton {
namespace {

std::uint64_t stream_of(std::string_view name) {  // FNV-1a
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace

void fill_normal(const Parameter& parameter, std::uint64_t seed, double deviation) {
  const Rng rng(seed, RandomPurpose::kInitialisation, stream_of(parameter.name));
  dispatch_float(parameter.value.dtype(), "fill_normal", [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::uint64_t index = 0;
    for (T& element : parameter.value.values<T>()) {
      element = static_cast<T>(static_cast<compute_t<T>>(deviation * rng.normal(index++)));
    }
  });
}

}  // namespace peryton
