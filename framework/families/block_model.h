// What components have in common whatever their blocks are: parameters in order, an embedding
// table, a final norm, and a head that may be tied to the table.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "framework/families/family.h"
#include "framework/nn/parameter_list.h"

namespace peryton {

class BlockModel : public Component {
 public:
  const ComponentShape& shape() const override { return shape_; }
  // Looks the tokens up; learned positions: see add_learned_positions.
  Variable embed(const ForwardContext& context) override;
  Variable final_norm(const ForwardContext& context, Variable hidden) override;
  Variable logits(const ForwardContext& context, Variable hidden) override;
  ParameterPtr head() override { return head_; }
  ParameterPtr embedding() override { return embedding_; }
  const std::vector<ParameterPtr>& parameters() const override { return list_.all(); }

 protected:
  BlockModel(const ComponentShape& shape, DType dtype) : shape_(shape), list_(dtype) {}
  // The first and the last parameter that a constructor makes.
  void make_embedding(const std::string& name);
  void make_head(const std::string& name);  // the embedding, when tied
  // The state of this call as the family's own type, or null; `blocks` [first, last) must exist.
  template <class State>
  State* state_of(const ForwardContext& context, std::int64_t first, std::int64_t last) const {
    PERYTON_CHECK(0 <= first && first <= last && last <= shape_.blocks);
    auto* state = dynamic_cast<State*>(context.state);
    PERYTON_CHECK(context.state == nullptr || state != nullptr, "the state of another family");
    PERYTON_CHECK(state != nullptr || context.batch.past == 0, "a past without its state");
    return state;
  }

  ComponentShape shape_;
  ParameterList list_;
  ParameterPtr embedding_, head_;
  std::variant<LayerNorm, RmsNorm> final_norm_;  // the last parameters before the head
};

// hidden + positions[t - document_start], for positions [count, width]. A token past the last
// learned position is the user's error.
Variable add_learned_positions(const ForwardContext& context, const Variable& hidden,
                               Parameter& positions);

}  // namespace peryton
