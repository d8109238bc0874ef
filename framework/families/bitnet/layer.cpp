// SPDX-License-Identifier: Apache-2.0
#include "framework/families/bitnet/layer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/ops/ternary_format.h"

namespace peryton::bitnet {
namespace {

// Zeros of trained ternary models; Gaussian weights have 31 %.
constexpr double kFewestZeros = 0.2, kMostZeros = 0.6;

}  // namespace

std::int64_t packed_rows(std::int64_t out) { return (out + 3) / 4; }

Layer::Layer(ParameterList& list, const std::string& name, std::int64_t out, std::int64_t in,
             Storage storage)
    : out_(out), in_(in), storage_(storage), made_(std::make_shared<Made>()) {
  if (storage == Storage::kScaleMultiplies || storage == Storage::kScaleDivides) {
    bytes_ = list.add(name + ".weight", kComponents, {packed_rows(out), in}, DType::kUInt8);
    // All of it whatever the model's type: a rounded scale would be another model.
    scale_ = list.add(name + ".weight_scale", kComponents, {1}, DType::kFloat32);
    return;
  }
  const BitLinearOptions options{.norm = false, .quantise = storage == Storage::kLatent};
  dense_ = BitLinear(list.add(name + ".weight", kComponents, {out, in}), nullptr, options);
}

float Layer::beta() const {
  const auto stored = static_cast<float>(scale_->value.item());
  return storage_ == Storage::kScaleDivides ? 1.0f / stored : stored;
}

TernaryPtr Layer::ternary() const {
  if (made_->ternary == nullptr || made_->bytes != bytes_->value.raw()) {
    *made_ = {ternary_from_hf(bytes_->value, out_, beta(), bytes_->name), bytes_->value.raw()};
  }
  return made_->ternary;
}

BitLinearTerm Layer::term(Tape& tape) const {
  if (!packed()) return dense_.term(tape);
  return {tape.constant(shape_only(DType::kFloat32, {out_, in_})), Variable(), ternary()};
}

Variable Layer::side_by_side(Tape& tape, const Variable& x,
                             const std::vector<const Layer*>& layers) {
  std::vector<BitLinearTerm> terms;
  for (const Layer* layer : layers) terms.push_back(layer->term(tape));
  const bool quantise = layers.front()->storage_ != Storage::kFullPrecision;
  return bit_linears(tape, x, terms, {.norm = false, .quantise = quantise});
}

void Layer::pack_frozen(const std::function<bool(const Parameter&)>& keep) const {
  if (!packed()) return dense_.pack_frozen(keep);
  if (!loaded() || keep(*bytes_)) return;
  const TernaryPtr kept = ternary();
  release_value(*bytes_);
  *made_ = {kept, bytes_->value.raw()};
}

bool Layer::loaded() const { return !is_released(*bytes_) && !std::isnan(scale_->value.item()); }

void Layer::check_values(const std::string& where) const {
  if (!packed() || !loaded()) return;
  if (made_->ternary != nullptr && made_->bytes == bytes_->value.raw()) return;  // checked already
  const std::string place = where + ", " + bytes_->name;
  if (!(beta() > 0 && beta() <= std::numeric_limits<float>::max())) {
    fail_input(fmt::format("its weight_scale is {}", scale_->value.item()), place,
               "the scale of ternary weights is a positive number");
  }
  const TernaryPtr matrix = ternary_from_hf(bytes_->value, out_, beta(), place);
  const Tensor codes = ternary_codes(*matrix);
  const auto values = codes.values<std::uint8_t>();
  const double zeros = static_cast<double>(std::ranges::count(values, std::uint8_t{1})) /
                       static_cast<double>(values.size());
  if (zeros < kFewestZeros || zeros > kMostZeros) {
    spdlog::warn(
        "{}: {:.0f} % of its weights are zero; trained ternary models have 20 to 60 %, so "
        "it may be packed another way",
        place, 100 * zeros);
  }
  *made_ = {matrix, bytes_->value.raw()};
}

void Layer::write_packed(PackedForm form, std::vector<NamedTensor>& tensors,
                         std::set<std::string>& written) const {
  const TernaryPtr matrix = packed() ? ternary() : dense_.ternary({});
  if (!std::isfinite(matrix->beta)) {
    fail_input("holds a number that is not finite", name(), "train it again, with a lower lr");
  }
  written.insert(name());
  if (packed()) written.insert(scale_->name);
  // Four rows share a byte, and readers take the number of rows from the number of bytes.
  if (out_ % 4 != 0) {
    fail_input(fmt::format("{} rows are no multiple of four", out_), name(),
               "export `weights: as_trained`, or make a model whose sizes are multiples of four");
  }
  if (form == PackedForm::kFiveTrits) {
    tensors.push_back({name(), encode_ternary(*matrix)});
    return;
  }
  tensors.push_back({name(), ternary_to_hf(*matrix)});
  tensors.push_back({name() + "_scale", Tensor::full(DType::kFloat32, {1}, matrix->beta)});
}

}  // namespace peryton::bitnet
