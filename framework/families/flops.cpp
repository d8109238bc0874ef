// SPDX-License-Identifier: Apache-2.0
#include "framework/families/flops.h"

#include <algorithm>

#include "framework/nn/parameter_list.h"

namespace peryton {

void ForwardFlops::add_product(Parameter& matrix, std::int64_t weights, bool& gradient) {
  const bool trains = matrix.holder().trainable;
  const double flops = 2.0 * static_cast<double>(weights);
  (trains ? trained : frozen) += flops;
  if (!gradient) spared += flops;
  gradient = gradient || trains;
}

void ForwardFlops::add_mixing(double flops, bool gradient) {
  mixing += flops;
  if (!gradient) spared += 2 * flops;
}

ForwardFlops& ForwardFlops::operator+=(const ForwardFlops& other) {
  frozen += other.frozen, trained += other.trained, mixing += other.mixing;
  spared += other.spared;
  return *this;
}

bool is_block_matrix(const Parameter& parameter) {
  return parameter.group == kComponents && parameter.decays && parameter.value.rank() == 2;
}

bool embedding_trains(const Component& component) {
  return std::ranges::any_of(component.parameters(), [](const ParameterPtr& parameter) {
    return parameter->group == kEmbeddings && parameter->holder().trainable;
  });
}

ForwardFlops block_flops_per_token(const Component& component, std::int64_t first,
                                   std::int64_t last, std::int64_t length, bool& gradient) {
  const std::vector<ParameterPtr>& parameters = component.parameters();
  const std::int64_t blocks = component.shape().blocks;
  const auto count = std::ranges::count_if(
      parameters, [](const ParameterPtr& parameter) { return is_block_matrix(*parameter); });
  PERYTON_CHECK(count > 0 && count % blocks == 0, "{} matrices in {} blocks", count, blocks);
  // Parameters are in order of execution and the blocks alike, so each block has the next few
  // matrices and the norms before and among them.
  const std::int64_t each = count / blocks;
  ForwardFlops flops;
  std::int64_t passed = 0;  // matrices
  for (const ParameterPtr& parameter : parameters) {
    const bool runs = first * each <= passed && passed < last * each;
    if (is_block_matrix(*parameter)) {
      if (runs) flops.add_product(*parameter, weight_count(*parameter), gradient);
      if (runs && passed % each == 0) {
        const std::int64_t block = passed / each;
        flops.add_mixing(component.mixing_flops_per_token(block, block + 1, length), gradient);
      }
      ++passed;
    } else if (runs || (passed == count && last == blocks)) {
      gradient = gradient || (parameter->group == kNorms && parameter->trainable);
    }
  }
  return flops;
}

ForwardFlops block_flops_per_token(const Component& component, std::int64_t first,
                                   std::int64_t last, std::int64_t length) {
  bool gradient = true;
  return block_flops_per_token(component, first, last, length, gradient);
}

}  // namespace peryton
