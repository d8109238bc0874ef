// SPDX-License-Identifier: Apache-2.0
#include "framework/hybrid/fresh_tables.h"

#include <map>
#include <nlohmann/json.hpp>

#include "framework/core/rng.h"

namespace peryton {

std::unique_ptr<Component> with_fresh_tables(const Family& family, Component& from,
                                             std::int64_t vocabulary, std::uint64_t seed) {
  nlohmann::json config = from.config();
  config["vocab_size"] = vocabulary;
  config["tie_word_embeddings"] = true;
  const DType dtype = from.embedding()->value.dtype();
  auto fresh = family.create(config, "hybrid.embeddings: fresh", dtype);

  std::map<std::string, ParameterPtr> old;
  for (const ParameterPtr& parameter : from.parameters()) old[parameter->name] = parameter;
  for (const ParameterPtr& parameter : fresh->parameters()) {
    if (parameter == fresh->embedding()) continue;
    const auto found = old.find(parameter->name);
    PERYTON_CHECK(found != old.end(), "{} is not in the component", parameter->name);
    parameter->value = found->second->value;
  }
  const Tensor table = fresh->embedding()->value;
  const Rng rng(seed, RandomPurpose::kInitialisation, static_cast<std::uint64_t>(vocabulary));
  std::vector<float> values(static_cast<std::size_t>(table.elements()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(0.02 * rng.normal(i));
  table.copy_from(Tensor::from_values<float>(table.shape(), values));
  return fresh;
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
