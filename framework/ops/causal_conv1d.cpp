// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/causal_conv1d.h"

#include "framework/core/warn_once.h"
#include "kernels/causal_conv1d/causal_conv1d.h"

namespace peryton {
namespace {

// What forward and backward share; T is float or double.
template <class T>
struct Conv {
  Tensor input;  // [B, T, C]
  Tensor taps;   // [W, C]
  Tensor bias;
  Tensor document_start;
  bool silu = true;

  void fill(kernels::CausalConv1dArgs<T>& args) const {
    args.batch = input.size(0);
    args.tokens = input.size(1);
    args.channels = input.size(2);
    args.width = taps.size(0);
    args.input = input.data<T>();
    args.input_strides = {input.stride(0), input.stride(1)};
    args.weight = taps.data<T>();
    args.bias = bias.defined() ? bias.data<T>() : nullptr;
    args.document_start = document_start.defined() ? document_start.data<std::int32_t>() : nullptr;
    args.silu = silu;
  }
};

Tensor transposed(const Tensor& matrix) {
  const std::int64_t strides[] = {1, matrix.stride(0)};
  const Tensor result = Tensor::empty(matrix.dtype(), {matrix.size(1), matrix.size(0)});
  dispatch_float(matrix.dtype(), "causal_conv1d", [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* out = result.data<T>();
    for (std::int64_t i = 0; i < matrix.size(1); ++i) {
      for (std::int64_t j = 0; j < matrix.size(0); ++j) {
        *out++ = matrix.data<T>()[i * strides[0] + j * strides[1]];
      }
    }
  });
  return result;
}

template <class T>
void backward(Tape& tape, const Conv<T>& conv, const Tensor& d_output, const GradientSlot& input,
              const GradientSlot& weight, const GradientSlot& bias) {
  const DType dtype = DTypeOf<T>::value;
  const Tensor d_out = d_output.to(dtype);
  const Tensor d_input = Tensor::empty(dtype, conv.input.shape());
  const Tensor d_taps =
      weight.needs_gradient() ? Tensor::empty(dtype, conv.taps.shape()) : Tensor();
  const Tensor d_bias = bias.needs_gradient() ? Tensor::empty(dtype, conv.bias.shape()) : Tensor();
  kernels::CausalConv1dBackwardArgs<T> args{};
  conv.fill(args);
  const Tensor workspace = Tensor::empty(
      dtype, {kernels::causal_conv1d_workspace(args.batch, args.channels, args.width)});
  args.d_output = d_out.data<T>();
  args.d_output_strides = {d_out.stride(0), d_out.stride(1)};
  args.d_input = d_input.data<T>();
  args.d_input_strides = {d_input.stride(0), d_input.stride(1)};
  args.d_weight = d_taps.defined() ? d_taps.data<T>() : nullptr;
  args.d_bias = d_bias.defined() ? d_bias.data<T>() : nullptr;
  args.workspace = workspace.data<T>();
  kernels::cpu::causal_conv1d_backward<T>(args, tape.context());
  tape.add_gradient(input, d_input.to(input.dtype()));
  if (d_taps.defined()) tape.add_gradient(weight, transposed(d_taps).reshape(weight.shape()));
  if (d_bias.defined()) tape.add_gradient(bias, d_bias);
}

template <class T>
Variable run(Tape& tape, const Variable& input, const Variable& weight, const Variable& bias,
             const CausalConv1dOptions& options) {
  const DType dtype = DTypeOf<T>::value;
  const Shape& shape = input.shape();
  Conv<T> conv;
  conv.input = input.value().to(dtype);
  conv.taps = transposed(
      weight.value().to(dtype).as_contiguous().reshape({weight.size(0), weight.size(-1)}));
  if (bias.defined()) conv.bias = bias.value().to(dtype);
  conv.document_start = options.document_start;
  conv.silu = options.silu;

  Tensor output = Tensor::empty(dtype, shape);
  kernels::CausalConv1dForwardArgs<T> args{};
  conv.fill(args);
  if (options.halo.defined()) args.halo = options.halo.data<T>();
  args.output = output.data<T>();
  args.output_strides = {output.stride(0), output.stride(1)};
  kernels::cpu::causal_conv1d<T>(args, tape.context());
  if (options.halo.defined()) kernels::cpu::causal_conv1d_advance<T>(args, options.halo.data<T>());
  return tape.record(
      output.to(input.dtype()), {input, weight, bias},
      [&tape, conv, input = input.slot(), weight = weight.slot(), bias = bias.slot()](
          const Tensor& d_output) { backward(tape, conv, d_output, input, weight, bias); });
}

}  // namespace

Variable causal_conv1d(Tape& tape, const Variable& input, const Variable& weight,
                       const Variable& bias, const CausalConv1dOptions& options) {
  PERYTON_CHECK(input.shape().rank() == 3 && weight.size(0) == input.size(2),
                "causal_conv1d of {} with weight {}", input.shape().text(), weight.shape().text());
  PERYTON_CHECK(!options.halo.defined() || !tape.recording(), "a halo takes no gradient");
  if (input.dtype() == DType::kFloat64) return run<double>(tape, input, weight, bias, options);
  if (weight.size(-1) > kernels::kFastConvWidth) {
    warn_once(
        fmt::format("a convolution of {} channels over {} tokens is wider than the fast path "
                    "takes; it runs slowly",
                    weight.size(0), weight.size(-1)));
  }
  return run<float>(tape, input, weight, bias, options);
}

}  // namespace peryton
