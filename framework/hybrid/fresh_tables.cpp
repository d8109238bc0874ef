// SPDX-License-Identifier: Apache-2.0
#include "framework/hybrid/fresh_tables.h"

#include <vector>

#include "framework/core/rng.h"

namespace peryton {

void fill_fresh_table(Component& component, std::uint64_t seed) {
  Tensor& table = component.embedding()->value;
  table = Tensor::empty(table.dtype(), table.shape());
  const Rng rng(seed, RandomPurpose::kInitialisation, static_cast<std::uint64_t>(table.size(0)));
  std::vector<float> values(static_cast<std::size_t>(table.elements()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(0.02 * rng.normal(i));
  table.copy_from(Tensor::from_values<float>(table.shape(), values));
}

void share_table(Component& component, Component& with) {
  const ParameterPtr table = component.embedding(), holder = with.embedding();
  PERYTON_CHECK(component.shape().tied_head && with.shape().tied_head);
  if (table->value.shape() != holder->value.shape()) {
    fail_input(fmt::format("components of width {} and {} cannot share a table",
                           component.shape().width, with.shape().width),
               "hybrid.embeddings: shared", "use `embeddings: fresh`: a new table for each");
  }
  table->same_as = holder;
  table->value = Tensor();
}

}  // namespace peryton
