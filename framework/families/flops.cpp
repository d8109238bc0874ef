// SPDX-License-Identifier: Apache-2.0
#include "framework/families/flops.h"

#include "framework/nn/parameter_list.h"

namespace peryton {

bool is_block_matrix(const Parameter& parameter) {
  return parameter.group == kComponents && parameter.decays && parameter.value.rank() == 2;
}

ForwardFlops block_flops_per_token(const Component& component, std::int64_t first,
                                   std::int64_t last, std::int64_t length) {
  std::vector<ParameterPtr> matrices;
  for (const ParameterPtr& parameter : component.parameters()) {
    if (is_block_matrix(*parameter)) matrices.push_back(parameter);
  }
  // Parameters are in order of execution and the blocks alike, so each block has the next few.
  const auto count = static_cast<std::int64_t>(matrices.size()), blocks = component.shape().blocks;
  PERYTON_CHECK(count % blocks == 0, "{} matrices in {} blocks", count, blocks);
  ForwardFlops flops;
  for (std::int64_t i = first * count / blocks; i < last * count / blocks; ++i) {
    Parameter& matrix = *matrices[static_cast<std::size_t>(i)];
    flops.add_product(matrix, weight_count(matrix));
  }
  flops.mixing = component.mixing_flops_per_token(first, last, length);
  return flops;
}

}  // namespace peryton
