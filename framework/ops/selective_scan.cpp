// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/selective_scan.h"

#include <algorithm>
#include <vector>

#include "framework/ops/matrix.h"
#include "kernels/selective_scan/selective_scan.h"

namespace peryton {
namespace {

struct Slots {
  GradientSlot x, dt, b, c, a_log, dt_bias, d;

  explicit Slots(const SelectiveScanInputs& from)
      : x(from.x),
        dt(from.dt),
        b(from.b),
        c(from.c),
        a_log(from.a_log),
        dt_bias(from.dt_bias),
        d(from.d) {}
};

kernels::TokenStrides strides(const Tensor& tensor) { return {tensor.stride(0), tensor.stride(1)}; }

// What forward and backward share; T is float or double.
template <class T>
struct Scan {
  SelectiveScanOptions options;
  Tensor x, dt, b, c, a_log, dt_bias, d;
  Tensor states;  // [B, chunks, N, channels], entering each chunk

  Scan(const SelectiveScanInputs& inputs, const SelectiveScanOptions& o) : options(o) {
    const DType dtype = DTypeOf<T>::value;
    x = inputs.x.value().to(dtype);
    dt = inputs.dt.value().to(dtype);
    b = inputs.b.value().to(dtype);
    c = inputs.c.value().to(dtype);
    a_log = inputs.a_log.value().to(dtype);
    dt_bias = inputs.dt_bias.value().to(dtype);
    d = inputs.d.value().to(dtype);
  }
  kernels::SelectiveScanShape shape() const { return {x.size(0), x.size(1), x.size(2), b.size(2)}; }
  void fill(kernels::SelectiveScanArgs<T>& args) const {
    args.shape = shape();
    args.x = x.data<T>();
    args.dt = dt.data<T>();
    args.b = b.data<T>();
    args.c = c.data<T>();
    args.x_strides = strides(x);
    args.dt_strides = strides(dt);
    args.b_strides = strides(b);
    args.c_strides = strides(c);
    args.a_log = a_log.data<T>();
    args.dt_bias = dt_bias.data<T>();
    args.d = d.data<T>();
    args.initial_state = options.carried.defined() ? options.carried.data<T>() : nullptr;
    const Tensor& start = options.document_start;
    args.document_start = start.defined() ? start.data<std::int32_t>() : nullptr;
  }
};

template <class T>
void backward(Tape& tape, const Scan<T>& scan, const Tensor& d_output, const Slots& to) {
  const DType dtype = DTypeOf<T>::value;
  const Tensor d_y = d_output.to(dtype);
  const auto room = [&](const GradientSlot& slot) { return Tensor::empty(dtype, slot.shape()); };
  const auto wanted = [&](const GradientSlot& weight) {
    return weight.needs_gradient() ? room(weight) : Tensor();
  };
  const Tensor d_x = room(to.x), d_dt = room(to.dt), d_b = room(to.b), d_c = room(to.c);
  const Tensor d_a_log = wanted(to.a_log), d_dt_bias = wanted(to.dt_bias), d_d = wanted(to.d);
  kernels::SelectiveScanBackwardArgs<T> args{};
  scan.fill(args);
  args.chunk_states = scan.states.template data<T>();
  args.d_y = d_y.data<T>();
  args.d_y_strides = strides(d_y);
  args.d_x = d_x.data<T>();
  args.d_dt = d_dt.data<T>();
  args.d_b = d_b.data<T>();
  args.d_c = d_c.data<T>();
  args.d_x_strides = strides(d_x);
  args.d_dt_strides = strides(d_dt);
  args.d_b_strides = strides(d_b);
  args.d_c_strides = strides(d_c);
  args.d_a_log = static_cast<T*>(d_a_log.raw());
  args.d_dt_bias = static_cast<T*>(d_dt_bias.raw());
  args.d_d = static_cast<T*>(d_d.raw());
  const kernels::Context context = tape.context();
  const Tensor workspace = Tensor::empty(
      dtype, {kernels::selective_scan_backward_workspace(args.shape, context.threads)});
  kernels::cpu::selective_scan_backward<T>(args, workspace.data<T>(), context);
  tape.add_gradient(to.x, d_x.to(to.x.dtype()));
  tape.add_gradient(to.dt, d_dt.to(to.dt.dtype()));
  tape.add_gradient(to.b, d_b.to(to.b.dtype()));
  tape.add_gradient(to.c, d_c.to(to.c.dtype()));
  if (d_a_log.defined()) tape.add_gradient(to.a_log, d_a_log);
  if (d_dt_bias.defined()) tape.add_gradient(to.dt_bias, d_dt_bias);
  if (d_d.defined()) tape.add_gradient(to.d, d_d);
}

template <class T>
Variable run(Tape& tape, const SelectiveScanInputs& inputs, const SelectiveScanOptions& options) {
  const DType dtype = DTypeOf<T>::value;
  Scan<T> scan(inputs, options);
  kernels::SelectiveScanForwardArgs<T> args{};
  scan.fill(args);
  const kernels::SelectiveScanShape& shape = args.shape;
  const Tensor y = Tensor::empty(dtype, {shape.batch, shape.tokens, shape.channels});
  args.y = y.data<T>();
  args.y_strides = strides(y);
  if (options.carried.defined()) args.final_state = options.carried.data<T>();
  const std::vector<Variable> all{inputs.x,     inputs.dt,      inputs.b, inputs.c,
                                  inputs.a_log, inputs.dt_bias, inputs.d};
  if (tape.recording() && std::ranges::any_of(all, &Variable::needs_gradient)) {
    scan.states = Tensor::empty(dtype, {shape.batch, shape.chunks(), shape.state, shape.channels});
    args.chunk_states = scan.states.template data<T>();
  }
  const kernels::Context context = tape.context();
  const Tensor workspace =
      Tensor::empty(dtype, {kernels::selective_scan_forward_workspace(shape, context.threads)});
  kernels::cpu::selective_scan_forward<T>(args, workspace.data<T>(), context);
  return tape.record(y.to(inputs.x.dtype()), all,
                     [&tape, scan, slots = Slots(inputs)](const Tensor& d_output) {
                       backward(tape, scan, d_output, slots);
                     });
}

}  // namespace

Variable selective_scan(Tape& tape, const SelectiveScanInputs& in,
                        const SelectiveScanOptions& options) {
  PERYTON_CHECK(in.x.shape() == in.dt.shape() && in.b.shape() == in.c.shape() &&
                    in.a_log.shape() == Shape({in.x.size(2), in.b.size(2)}),
                "selective_scan of {} with states {}", in.x.shape().text(),
                in.a_log.shape().text());
  PERYTON_CHECK(!options.carried.defined() || !tape.recording(),
                "a carried state takes no gradient");
  if (compute_dtype(in.x.dtype()) == DType::kFloat64) return run<double>(tape, in, options);
  return run<float>(tape, in, options);
}

}  // namespace peryton
