// SPDX-License-Identifier: Apache-2.0
#include "framework/nn/parameter_list.h"

namespace peryton {

ParameterPtr ParameterList::add(const std::string& name, const char* group, const Shape& shape,
                                DType dtype) {
  auto parameter = std::make_shared<Parameter>();
  parameter->name = name;
  parameter->group = group;
  parameter->value = Tensor::empty(dtype, shape);
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
