// Components over a vocabulary that is not their own: new embedding tables, heads tied to them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "framework/families/family.h"

namespace peryton {

// Gives a component that was loaded with ComponentLoad::fresh_vocabulary its embedding
// [vocabulary, width] ~ N(0, 0.02^2). Every rank that uses the same seed makes the same table.
void fill_fresh_table(Component& component, std::uint64_t seed);

// From now on `component`, whose head is tied, reads and trains the table of `with`, which must
// have the same shape.
void share_table(Component& component, Component& with);

}  // namespace peryton
