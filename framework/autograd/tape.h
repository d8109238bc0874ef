// The tape: ops record how to undo themselves, backward() walks them in reverse.
//
// Rules:
//  * Nothing is recorded for an op none of whose inputs needs a gradient, so everything below the
//  first
//    trainable parameter costs no memory and no backward.
//  * Gradients of variables are overwritten on the first contribution and added to afterwards;
//    gradients of parameters are always added to (their slots in the arena are zeroed by the
//    optimiser).
//  * A recorded entry holds what its op captured; it is released as soon as it has run.
// A Variable may be used by several ops. A tape serves one forward and one backward pass, on one
// thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "framework/core/parameter.h"
#include "framework/core/tensor.h"
#include "kernels/common/context.h"

namespace peryton {

// Where the gradient of a variable goes: what a Backward captures of its inputs. It holds no value,
// so an op keeps alive only the tensors that it captures by name.
class GradientSlot {
 public:
  GradientSlot() = default;
  bool needs_gradient() const { return state_ && state_->needs_gradient; }
  const Shape& shape() const { return state_->shape; }
  DType dtype() const { return state_->dtype; }
  // Whether both gradients end up in one place: the same variable, or the same parameter.
  bool same_target(const GradientSlot& other) const {
    return state_ == other.state_ ||
           (state_->parameter != nullptr && state_->parameter == other.state_->parameter);
  }

 private:
  friend class Tape;
  friend class Variable;
  struct State {
    Shape shape;
    DType dtype = DType::kFloat32;
    Tensor gradient;
    bool needs_gradient = false;
    bool keeps_gradient = false;
    bool gradient_is_shared =
        false;  // adopted from a backward function: copied before it is added to
    Parameter* parameter = nullptr;
  };
  std::shared_ptr<State> state_;
};

// A value on the tape. Inside a Backward capture slot() (and the tensors it needs), never the
// Variable: that would keep its value alive until the backward pass.
class Variable {
 public:
  Variable() = default;
  bool defined() const { return slot_.state_ != nullptr; }
  const Tensor& value() const { return value_; }
  const Shape& shape() const { return value_.shape(); }
  std::int64_t size(int dim) const { return value_.size(dim); }
  DType dtype() const { return value_.dtype(); }
  bool needs_gradient() const { return slot_.needs_gradient(); }
  const GradientSlot& slot() const { return slot_; }
  operator const GradientSlot&() const { return slot_; }  // NOLINT: a variable names its slot
  // After backward(): the gradient of an input() variable, or undefined if nothing reached it.
  const Tensor& gradient() const { return slot_.state_->gradient; }

 private:
  friend class Tape;
  Tensor value_;
  GradientSlot slot_;
};

class Tape {
 public:
  enum class Mode { kRecord, kInference };
  // Called with the gradient of the op's output; adds to the gradients of its inputs.
  using Backward = std::function<void(const Tensor& d_output)>;
  using GradientReady = std::function<void(Parameter&)>;

  explicit Tape(const kernels::Context& context, Mode mode = Mode::kRecord)
      : context_(context), mode_(mode) {}

  const kernels::Context& context() const { return context_; }
  bool recording() const { return mode_ == Mode::kRecord; }

  // A value that needs no gradient.
  Variable constant(Tensor value);
  // A leaf whose gradient can be read after backward(). For tests, recomputation and distillation.
  Variable input(Tensor value);
  // A parameter; needs a gradient when it is trainable. The parameter outlives the tape.
  Variable parameter(Parameter& parameter);

  // Result of an op with one output. `backward` is kept only if an input needs a gradient.
  Variable record(Tensor value, std::initializer_list<Variable> inputs, Backward backward);
  Variable record(Tensor value, const std::vector<Variable>& inputs, Backward backward);

  // For use inside Backward:
  // adds `gradient` (same shape as the variable) to the slot's gradient; no-op if it needs none.
  void add_gradient(const GradientSlot& slot, const Tensor& gradient);
  // The same for columns [begin, begin + width) of the last dimension.
  void add_gradient_slice(const GradientSlot& slot, const Tensor& gradient, std::int64_t begin);
  // The same for the first `rows` rows of a matrix.
  void add_gradient_rows(const GradientSlot& slot, const Tensor& gradient, std::int64_t rows);
  // The slot's gradient tensor to add into, zeroed if this is the first contribution.
  Tensor gradient_to_add_into(const GradientSlot& slot);

  // Runs the recorded ops in reverse from a scalar `loss` with d_loss = seed.
  void backward(const Variable& loss, double seed = 1.0);
  // The same from any variable and its gradient.
  void backward_from(const Variable& variable, const Tensor& gradient);

  // `callback` runs during backward() as soon as the last use of a parameter on this tape is done.
  // Trainable parameters that the tape did not use are never reported.
  void on_gradient_ready(GradientReady callback) { gradient_ready_ = std::move(callback); }

  // Runs `body` without keeping its activations and runs it again during backward. `body` must be a
  // pure function of its inputs and of parameters.
  using Body = std::function<Variable(Tape&, const std::vector<Variable>&)>;
  Variable recompute(const std::vector<Variable>& inputs, const Body& body);

  std::size_t entries() const { return entries_.size(); }

 private:
  struct Entry {
    std::shared_ptr<GradientSlot::State> output;
    std::vector<std::shared_ptr<GradientSlot::State>> inputs;
    Backward backward;
  };
  void run_entries();
  void use(Parameter& parameter) { ++uses_[&parameter]; }
  void finished_use(Parameter& parameter);

  kernels::Context context_;
  Mode mode_;
  std::vector<Entry> entries_;
  std::unordered_map<Parameter*, int> uses_;
  GradientReady gradient_ready_;
  std::vector<Parameter*> touched_;  // inference mode: trainables read, for recompute()
};

}  // namespace peryton
