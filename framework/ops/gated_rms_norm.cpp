// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/gated_rms_norm.h"

#include "kernels/gated_rms_norm/gated_rms_norm.h"

namespace peryton {
namespace {

// What forward and backward share; T is float or double.
template <class T>
struct Saved {
  Tensor y, z;         // [rows, width]
  Tensor weight;       // [width]
  Tensor inverse_rms;  // [rows, groups]
  GatedRmsNormOptions options;

  void fill(kernels::GatedRmsNormArgs<T>& args) const {
    args.rows = y.size(0);
    args.width = y.size(1);
    args.groups = options.groups;
    args.y = y.data<T>();
    args.z = z.data<T>();
    args.y_stride = y.stride(0);
    args.z_stride = z.stride(0);
    args.weight = weight.data<T>();
    args.eps = options.eps;
    args.norm_before_gate = options.norm_before_gate;
  }
};

template <class T>
void backward(Tape& tape, const Saved<T>& saved, const Tensor& d_output, const GradientSlot& y,
              const GradientSlot& z, const GradientSlot& weight) {
  const DType dtype = DTypeOf<T>::value;
  const Tensor d_out = d_output.to(dtype).as_contiguous().rows();
  const Tensor d_y = Tensor::empty(dtype, y.shape()), d_z = Tensor::empty(dtype, y.shape());
  kernels::GatedRmsNormBackwardArgs<T> args{};
  saved.fill(args);
  Tensor d_weight, workspace;
  if (weight.needs_gradient()) {
    d_weight = Tensor::empty(dtype, weight.shape());
    workspace = Tensor::empty(dtype, {kernels::gated_rms_norm_workspace(args.rows, args.width)});
    args.d_weight = d_weight.data<T>();
    args.workspace = workspace.data<T>();
  }
  args.inverse_rms = saved.inverse_rms.template data<T>();
  args.d_output = d_out.data<T>();
  args.d_y = d_y.data<T>();
  args.d_z = d_z.data<T>();
  args.d_output_stride = args.d_y_stride = args.d_z_stride = args.width;
  kernels::cpu::gated_rms_norm_backward<T>(args, tape.context());
  tape.add_gradient(y, d_y.to(y.dtype()));
  tape.add_gradient(z, d_z.to(z.dtype()));
  if (d_weight.defined()) tape.add_gradient(weight, d_weight);
}

template <class T>
Variable run(Tape& tape, const Variable& y, const Variable& z, const Variable& weight,
             const GatedRmsNormOptions& options) {
  const DType dtype = DTypeOf<T>::value;
  Saved<T> saved;
  saved.y = y.value().to(dtype).rows();
  saved.z = z.value().to(dtype).rows();
  saved.weight = weight.value().to(dtype);
  saved.options = options;
  saved.inverse_rms = Tensor::empty(dtype, {saved.y.size(0), options.groups});
  const Tensor output = Tensor::empty(dtype, y.shape());
  kernels::GatedRmsNormForwardArgs<T> args{};
  saved.fill(args);
  args.output = output.data<T>();
  args.output_stride = args.width;
  args.inverse_rms = saved.inverse_rms.template data<T>();
  kernels::cpu::gated_rms_norm<T>(args, tape.context());
  return tape.record(
      output.to(y.dtype()), {y, z, weight},
      [&tape, saved, y = y.slot(), z = z.slot(), weight = weight.slot()](const Tensor& d_output) {
        backward(tape, saved, d_output, y, z, weight);
      });
}

}  // namespace

Variable gated_rms_norm(Tape& tape, const Variable& y, const Variable& z, const Variable& weight,
                        const GatedRmsNormOptions& options) {
  PERYTON_CHECK(y.shape() == z.shape() && y.size(-1) == weight.size(0),
                "gated_rms_norm of {} and {} with weight {}", y.shape().text(), z.shape().text(),
                weight.shape().text());
  if (y.dtype() == DType::kFloat64) return run<double>(tape, y, z, weight, options);
  return run<float>(tape, y, z, weight, options);
}

}  // namespace peryton
