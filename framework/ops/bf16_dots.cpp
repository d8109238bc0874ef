// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/bf16_dots.h"

namespace peryton {
namespace {

thread_local bool dots_of_this_thread = false;

}  // namespace

Bf16DotsScope::Bf16DotsScope(bool on) : before_(dots_of_this_thread) { dots_of_this_thread = on; }
Bf16DotsScope::~Bf16DotsScope() { dots_of_this_thread = before_; }

bool bf16_dots() { return dots_of_this_thread; }

}  // namespace peryton
