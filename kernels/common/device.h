// Where memory lives.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace peryton {

enum class DeviceKind : std::uint8_t { kCpu, kCuda };

struct Device {
  DeviceKind kind = DeviceKind::kCpu;
  std::int16_t index = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

}  // namespace peryton
