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

// Of x86 targets those whose registers the system keeps when it switches threads, by the bits of
// extended control register 0 (Intel SDM volume 1, 13.3): 1 and 2 for AVX2, 5 to 7 too for AVX-512.
// A processor has its instructions also where the system has turned them off.
std::int64_t targets_under(std::uint64_t xcr0, std::int64_t targets);

// The instruction set that dispatch picks now, for logs: "avx2", "avx3", "sse4", "neon", ...
std::string active_isa();

}  // namespace peryton::kernels
