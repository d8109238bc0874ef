// Components over a vocabulary that is not their own: new embedding tables, heads tied to them.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "framework/families/family.h"

namespace peryton {

// A component with `from`'s blocks and norms, and a new embedding [vocabulary, width] ~ N(0,
// 0.02^2) to which the head is tied. Every rank that uses the same seed makes the same table.
std::unique_ptr<Component> with_fresh_tables(const Family& family, Component& from,
                                             std::int64_t vocabulary, std::uint64_t seed);

// From now on `component`, whose head is tied, reads and trains the table of `with`, which must
// have the same shape.
void share_table(Component& component, Component& with);

}  // namespace peryton
