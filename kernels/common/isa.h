// Caps the instruction set that kernels may use, for tests that walk every path on one machine.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace peryton::kernels {

// Reads PERYTON_MAX_ISA (scalar, avx2 or avx512; unset means no cap) and applies it to our own
// dispatch and to oneDNN. Call once, before the first kernel. Throws ArgumentError on another word.
// Returns a remark for the user, empty as a rule: avx512 or avx2 is a cap, and a processor that has
// less uses what it has.
std::string cap_isa_from_environment();

// Highway's targets (HWY_AVX2, ...) that this processor has and the cap allows. Never call
// hwy::SupportedTargets() itself: it forgets the cap.
std::int64_t supported_targets();

// The instruction set that dispatch picks now, for logs: "avx2", "avx3", "sse4", "neon", ...
std::string active_isa();

}  // namespace peryton::kernels
