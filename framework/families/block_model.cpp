// SPDX-License-Identifier: Apache-2.0
#include "framework/families/block_model.h"

#include <algorithm>

#include "framework/ops/arithmetic.h"
#include "framework/ops/embedding.h"
#include "framework/ops/rotary.h"

namespace peryton {

void BlockModel::make_embedding(const std::string& name) {
  embedding_ = list_.add(name, kEmbeddings, {shape_.vocabulary, shape_.width});
}

void BlockModel::make_head(const std::string& name) {
  head_ =
      shape_.tied_head ? embedding_ : list_.add(name, kHeads, {shape_.vocabulary, shape_.width});
}

Variable BlockModel::embed(const ForwardContext& context) {
  return peryton::embedding(context.tape, context.batch.ids, context.tape.parameter(*embedding_));
}

Variable BlockModel::final_norm(const ForwardContext& context, Variable hidden) {
  return std::visit([&](const auto& norm) { return norm(context.tape, hidden); }, final_norm_);
}

Variable BlockModel::logits(const ForwardContext& context, Variable hidden) {
  return linear(context.tape, hidden, context.tape.parameter(*head_));
}

Variable add_learned_positions(const ForwardContext& context, const Variable& hidden,
                               Parameter& positions) {
  const TokenBatch& batch = context.batch;
  const Tensor position =
      token_positions(batch.document_start, batch.rows(), batch.length(), batch.past);
  const std::int64_t known = positions.value.size(0);
  const auto values = position.values<std::int32_t>();
  const std::int64_t last = values.empty() ? 0 : *std::ranges::max_element(values);
  if (last >= known) {
    fail_input(fmt::format("a document has {} tokens and the model learned {} positions ('{}')",
                           last + 1, known, positions.name),
               "", "use shorter sequences, or a model without learned positions");
  }
  const Variable table = context.tape.parameter(positions);
  return add(context.tape, hidden, embedding(context.tape, position, table));
}

}  // namespace peryton
