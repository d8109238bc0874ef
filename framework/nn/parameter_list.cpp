// SPDX-License-Identifier: Apache-2.0
#include "framework/nn/parameter_list.h"

#include "framework/nn/shape_only.h"

namespace peryton {

namespace {

// A damaged configuration may ask for any size; what no machine holds is refused before it is
// multiplied out.
void check_size(const std::string& name, const Shape& shape, std::size_t parameters) {
  constexpr std::size_t kMostParameters = 200'000;
  constexpr std::int64_t kWidest = std::int64_t{1} << 24;
  constexpr double kMostElements = 1e13;
  double elements = 1;
  for (const std::int64_t size : shape.vector()) elements *= static_cast<double>(size);
  if (parameters < kMostParameters && shape[-1] <= kWidest && elements <= kMostElements) return;
  fail_input(fmt::format("the model would be impossibly large at '{}' {}", name, shape.text()), "",
             "look at the sizes in its config.json");
}

}  // namespace

ParameterPtr ParameterList::add(const std::string& name, const char* group, const Shape& shape,
                                DType dtype) {
  check_size(name, shape, all_.size());
  auto parameter = std::make_shared<Parameter>();
  parameter->name = name;
  parameter->group = group;
  parameter->value = shape_only(dtype, shape);
  parameter->decays = shape.rank() > 1;
  all_.push_back(parameter);
  return parameter;
}

Linear ParameterList::linear(const std::string& name, std::int64_t out, std::int64_t in, bool bias,
                             WeightLayout layout) {
  const Shape shape = layout == WeightLayout::kOutIn ? Shape{out, in} : Shape{in, out};
  Linear linear{add(name + ".weight", kComponents, shape), nullptr, layout};
  if (bias) linear.bias = add(name + ".bias", kComponents, {out});
  return linear;
}

LayerNorm ParameterList::layer_norm(const std::string& name, std::int64_t width, double eps) {
  const ParameterPtr weight = add(name + ".weight", kNorms, {width});
  return {weight, add(name + ".bias", kNorms, {width}), eps};
}

RmsNorm ParameterList::rms_norm(const std::string& name, std::int64_t width, double eps) {
  return {add(name + ".weight", kNorms, {width}), eps};
}

}  // namespace peryton
