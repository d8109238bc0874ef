// One ternary layer of BitNet, in each of the forms in which checkpoints hold it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "framework/families/bitnet/config.h"
#include "framework/families/packable.h"
#include "framework/nn/bit_linear.h"
#include "framework/nn/parameter_list.h"

namespace peryton::bitnet {

// Rows of one byte in the files of transformers (packed_rows = ceil(out / 4)).
std::int64_t packed_rows(std::int64_t out);

// y = bit_linear(x) without a norm, weight [out, in]. Copies share the ternary weight.
//   latent or full precision: `weight` is dense and may train
//   packed: `weight` holds the bytes of the file, uint8 [packed_rows(out), in], and `scale` its
//   weight_scale [1]; neither trains
class Layer {
 public:
  Layer() = default;
  Layer(ParameterList& list, const std::string& name, std::int64_t out, std::int64_t in,
        Storage storage);

  // Several layers of the same x side by side.
  static Variable side_by_side(Tape& tape, const Variable& x,
                               const std::vector<const Layer*>& layers);
  Variable operator()(Tape& tape, const Variable& x) const { return side_by_side(tape, x, {this}); }

  void pack_frozen(const std::function<bool(const Parameter&)>& keep) const;
  // Packed values as loaded: a code that no weight has, or a scale that is not positive, is the
  // user's error at `where`; a share of zeros that no trained model has is a warning in the log.
  void check_values(const std::string& where) const;
  // Adds the tensors that hold the weight in `form`, and to `written` the names of its parameters.
  void write_packed(PackedForm form, std::vector<NamedTensor>& tensors,
                    std::set<std::string>& written) const;

 private:
  bool packed() const { return scale_ != nullptr; }
  bool loaded() const;  // packed: its values were read, and are not released
  BitLinearTerm term(Tape& tape) const;
  float beta() const;          // what the packed form says
  TernaryPtr ternary() const;  // of the packed form, made again when its bytes change
  const std::string& name() const { return packed() ? bytes_->name : dense_.weight()->name; }

  struct Made {
    TernaryPtr ternary;
    const void* bytes = nullptr;  // of which it was made
  };

  std::int64_t out_ = 0, in_ = 0;
  Storage storage_ = Storage::kLatent;
  BitLinear dense_;             // latent and full precision
  ParameterPtr bytes_, scale_;  // packed
  std::shared_ptr<Made> made_;
};

}  // namespace peryton::bitnet
