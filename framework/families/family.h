// What a component family offers to everything above it. hybrid/, train/ and eval/ see only this;
// none of them asks which family it holds.
//
// Names and shapes of parameters are those of the family's Hugging Face checkpoint, so importing
// and exporting need no table but the aliases of older layouts (canonical_name).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "framework/autograd/tape.h"
#include "framework/core/parameter.h"
#include "framework/ops/head_loss.h"

namespace peryton {

// One batch of token rows on one rank. Documents are packed: `document_start[b, t]` is the position
// in row b of the first token of the document that holds t; attention and SSM state do not cross
// it, and the position of a token is t - document_start. During generation rows have one document
// and `past` tokens came before.
struct TokenBatch {
  Tensor ids;             // int32 [B, T]
  Tensor document_start;  // int32 [B, T]; undefined: one document per row
  std::int64_t past = 0;  // tokens already in the generation state
  std::int64_t rows() const { return ids.size(0); }
  std::int64_t length() const { return ids.size(1); }
};

// Caches of one component during generation: keys and values, convolution windows, SSM states.
class ComponentState {
 public:
  virtual ~ComponentState() = default;
};

// What a block needs besides the hidden state.
struct ForwardContext {
  Tape& tape;
  const TokenBatch& batch;
  ComponentState* state = nullptr;  // generation only; updated by run()
};

struct ComponentShape {
  std::int64_t width = 0;       // hidden size
  std::int64_t blocks = 0;      // depth
  std::int64_t vocabulary = 0;  // rows of the embedding table, padding included
  bool tied_head = false;       // the head is the embedding table
};

// Weights that a parameter holds: of packed ternary matrices, four in each byte.
inline std::int64_t weight_count(const Parameter& parameter) {
  return parameter.value.elements() * (parameter.value.dtype() == DType::kUInt8 ? 4 : 1);
}

// A pretrained (or fresh) language model, cut into the pieces that a hybrid needs. Hidden states
// are [B, T, width].
class Component {
 public:
  virtual ~Component() = default;

  virtual const ComponentShape& shape() const = 0;
  virtual Variable embed(const ForwardContext& context) = 0;
  // Blocks [first, last) in order. Adds its own residuals; applies no final norm.
  virtual Variable run(const ForwardContext& context, std::int64_t first, std::int64_t last,
                       Variable hidden) = 0;
  virtual Variable final_norm(const ForwardContext& context, Variable hidden) = 0;
  // [.., vocabulary]. The losses use head() instead, chunk by chunk; this is for scoring and
  // generation.
  virtual Variable logits(const ForwardContext& context, Variable hidden) = 0;
  // The matrix [vocabulary, width] of the head; heads have no bias.
  virtual ParameterPtr head() = 0;
  // The factors of logits() for head_loss: hidden states and matrix. A head that does more than
  // multiply (a ternary one normalises and rounds first) gives what it multiplies.
  virtual HeadTerm head_term(const ForwardContext& context, const Variable& hidden) {
    return {hidden, context.tape.parameter(*head())};
  }
  // Whether head_term() gives the hidden states and head() themselves. Components with one table
  // then have one product in a loss; a head that does more overrides both.
  virtual bool head_only_multiplies() const { return true; }
  // The head as the linear map that it is, or nearly is, on final hidden states: [vocabulary,
  // width]. May share memory with the parameter.
  virtual Tensor head_matrix(const kernels::Context& /*context*/) { return head()->holder().value; }
  virtual ParameterPtr embedding() = 0;

  // Every parameter, in order of execution; a tied head appears once, as the embedding. Groups are
  // set: embeddings, heads, norms (block and final norms) or components (all else).
  virtual const std::vector<ParameterPtr>& parameters() const = 0;
  virtual std::unique_ptr<ComponentState> make_state(std::int64_t rows, std::int64_t capacity) = 0;

  // Called when it is known which parameters train: brings frozen weights into a shorter form where
  // the family has one (ternary weights), and releases the values that `keep` does not claim. A
  // released value keeps its shape and reads as NaN, so the component cannot be exported any more.
  // Passes over parameters without values, so a load may call it whenever it has read one.
  using KeepValue = std::function<bool(const Parameter&)>;
  virtual void pack_frozen(const KeepValue& /*keep*/) {}

  // Values as loaded that are finite and of the right shape, and wrong nevertheless, are the user's
  // error at `where`. Passes over parameters without values.
  virtual void check_values(const std::string& /*where*/) const {}

  // Hugging Face config.json that load() of transformers reads back to the same model.
  virtual nlohmann::json config() const = 0;
  // Multiply-adds x 2 per token of the attention, scans and convolutions of blocks [first, last)
  // forward, at a context of `length`. Those of matrices follow from the parameters: see flops.h.
  virtual double mixing_flops_per_token(std::int64_t first, std::int64_t last,
                                        std::int64_t length) const = 0;
};

class Family {
 public:
  virtual ~Family() = default;

  virtual std::string name() const = 0;                          // folder name
  virtual bool accepts(const nlohmann::json& config) const = 0;  // of a config.json as found
  // A component whose parameters have no values (nn/shape_only.h), to be read one by one. `config`
  // is a config.json in any of the layouts that accepts() takes; `where` names it in errors. An
  // impossible value is the user's error.
  virtual std::unique_ptr<Component> make(const nlohmann::json& config, const std::string& where,
                                          DType dtype) const = 0;
  // The same with allocated, uninitialised parameters.
  std::unique_ptr<Component> create(const nlohmann::json& config, const std::string& where,
                                    DType dtype) const;
  // Fills the parameters of a fresh component for training from scratch (the family's own recipe).
  virtual void initialise(Component& component, std::uint64_t seed) const = 0;
  // config.json of a small model built in the user's YAML: width, layers, heads, vocabulary, ...
  // Unknown keys are the user's error.
  virtual nlohmann::json config_from_settings(const nlohmann::json& settings,
                                              const std::string& where) const = 0;
  // Name in a checkpoint file -> our parameter name; nullopt for a buffer that is ignored by name.
  // A name that is neither comes back unchanged and is then found to be unknown.
  virtual std::optional<std::string> canonical_name(const std::string& file_name) const = 0;
  // The smallest useful config.json, for the conformance suite.
  virtual nlohmann::json tiny_config() const = 0;
  // For families that round (quantised activations): the same model without its rounding, for tests
  // that rounding defeats. Finite differences do not see a straight-through gradient, and two
  // orders of one sum may round to different integers. Parity with golden values is never excused.
  virtual nlohmann::json smooth_config() const;
};

}  // namespace peryton
