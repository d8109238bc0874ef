// SPDX-License-Identifier: Apache-2.0
#include "tests/support/toy_model.h"

#include <algorithm>

#include "framework/core/rng.h"

namespace peryton::testing {
namespace {

Tensor random(DType dtype, std::int64_t width, std::uint64_t stream, double middle, double spread) {
  const Rng rng(21, RandomPurpose::kTest, stream);
  const Tensor tensor = Tensor::empty(DType::kFloat64, {width});
  for (std::int64_t i = 0; i < width; ++i) {
    tensor.data<double>()[i] = middle + spread * rng.normal(static_cast<std::uint64_t>(i));
  }
  return tensor.to(dtype);
}

// out_i = f(i)
template <class F>
Tensor computed(const Tensor& like, F&& f) {
  const Tensor out = Tensor::empty(like.dtype(), like.shape());
  dispatch_float(like.dtype(), "toy", [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (std::int64_t i = 0; i < out.elements(); ++i) {
      out.data<T>()[i] = static_cast<T>(static_cast<compute_t<T>>(f(tag, i)));
    }
  });
  return out;
}

template <class Tag>
auto at(Tag, const Tensor& tensor, std::int64_t i) {
  return tensor.data<typename Tag::type>()[i];
}

}  // namespace

ToyModel::ToyModel(int layers, std::int64_t width, DType dtype) : width_(width), dtype_(dtype) {
  for (int layer = 0; layer < layers; ++layer) {
    for (const bool weight : {true, false}) {
      auto parameter = std::make_shared<Parameter>();
      parameter->name = (weight ? "w" : "b") + std::to_string(layer);
      parameter->group = "projectors";
      parameter->trainable = true;
      parameter->decays = weight;
      const auto stream = static_cast<std::uint64_t>(2 * layer + (weight ? 0 : 1));
      parameter->value = random(dtype, width, stream, weight ? 1.0 : 0.0, 0.1);
      parameters_.push_back(parameter);
    }
  }
}

Variable ToyModel::loss(Tape& tape, std::int64_t sample, double scale,
                        const std::vector<int>& unused) const {
  Variable hidden =
      tape.constant(random(dtype_, width_, 1000 + static_cast<std::uint64_t>(sample), 0.0, 1.0));
  for (int layer = 0; layer < static_cast<int>(parameters_.size()) / 2; ++layer) {
    if (std::ranges::count(unused, layer) > 0) continue;
    const Variable w = tape.parameter(*parameters_[static_cast<std::size_t>(2 * layer)]);
    const Variable b = tape.parameter(*parameters_[static_cast<std::size_t>(2 * layer + 1)]);
    const Tensor h = hidden.value(), weight = w.value(), bias = b.value();
    Tensor out = computed(h, [&](auto tag, std::int64_t i) {
      return at(tag, h, i) * at(tag, weight, i) + at(tag, bias, i);
    });
    const auto backward = [this, &tape, w, b, hidden, layer](const Tensor& g) {
      if (on_backward) on_backward(layer);
      const Tensor x = hidden.value(), y = w.value();
      tape.add_gradient(
          w, computed(g, [&](auto tag, std::int64_t i) { return at(tag, g, i) * at(tag, x, i); }));
      tape.add_gradient(b, g);
      tape.add_gradient(hidden, computed(g, [&](auto tag, std::int64_t i) {
                          return at(tag, g, i) * at(tag, y, i);
                        }));
    };
    hidden = tape.record(out, {hidden, w, b}, backward);
  }
  double total = 0;
  const Tensor wide = hidden.value().to(DType::kFloat64);
  for (const double value : wide.values<double>()) total += value * value;
  const auto backward = [&tape, hidden, scale](const Tensor& g) {
    const double factor = 2 * scale * g.item();
    const Tensor h = hidden.value();
    tape.add_gradient(hidden, computed(h, [&](auto tag, std::int64_t i) {
                        return static_cast<decltype(at(tag, h, i))>(factor) * at(tag, h, i);
                      }));
  };
  return tape.record(Tensor::full(dtype_, {1}, scale * total), {hidden}, backward);
}

}  // namespace peryton::testing
