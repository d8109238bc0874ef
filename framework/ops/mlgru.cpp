// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/mlgru.h"

#include "framework/ops/matrix.h"
#include "kernels/mlgru/mlgru.h"

namespace peryton {
namespace {

// One chain per row costs nothing while rows and channels keep every core busy, and it is what
// makes a row's bits independent of how it is cut. Only few channels and many tokens are worth
// chunks.
constexpr std::int64_t kLongRow = 2048, kChunk = 512, kEnoughTasks = 8;

std::int64_t choose_chunk(std::int64_t rows, std::int64_t tokens, std::int64_t channels) {
  const std::int64_t tasks = rows * kernels::divide_up(channels, kernels::kMlgruChannelBlock);
  return tokens > kLongRow && tasks < kEnoughTasks ? kChunk : std::max<std::int64_t>(tokens, 1);
}

kernels::TokenStrides strides_of(const Tensor& tensor) {
  return {tensor.stride(0), tensor.stride(1)};
}

// What forward and backward share. T is the storage type.
template <class T>
struct Scan {
  using F = compute_t<T>;
  Tensor u, v, h, bound, initial, document_start;
  std::int64_t chunk = 0;

  Shape state_shape() const { return {u.size(0), u.size(2)}; }
  void fill(kernels::MlgruArgs<T>& args) const {
    args.batch = u.size(0);
    args.tokens = u.size(1);
    args.channels = u.size(2);
    args.chunk = chunk;
    args.u = u.data<T>();
    args.v = v.data<T>();
    args.u_strides = strides_of(u);
    args.v_strides = strides_of(v);
    args.bound = bound.defined() ? bound.data<F>() : nullptr;
    args.initial_state = initial.defined() ? initial.data<F>() : nullptr;
    args.document_start = document_start.defined() ? document_start.data<std::int32_t>() : nullptr;
  }
};

struct Slots {
  GradientSlot u, v, bound, initial;
};

template <class T>
void backward(Tape& tape, const Scan<T>& scan, const Tensor& d_output, const Slots& to) {
  using F = compute_t<T>;
  const DType dtype = DTypeOf<T>::value, wide = DTypeOf<F>::value;
  const Tensor d_h = d_output.to(dtype);
  const Tensor d_u = Tensor::empty(dtype, scan.u.shape()),
               d_v = Tensor::empty(dtype, scan.v.shape());
  kernels::MlgruBackwardArgs<T> args{};
  scan.fill(args);
  args.h = scan.h.template data<T>();
  args.h_strides = strides_of(scan.h);
  args.d_h = d_h.data<T>();
  args.d_h_strides = strides_of(d_h);
  args.d_u = d_u.data<T>();
  args.d_v = d_v.data<T>();
  args.d_u_strides = strides_of(d_u);
  args.d_v_strides = strides_of(d_v);
  const auto wanted = [&](const GradientSlot& slot) {
    return slot.needs_gradient() ? Tensor::empty(wide, slot.shape()) : Tensor();
  };
  const Tensor d_bound = wanted(to.bound), d_initial = wanted(to.initial);
  args.d_bound = d_bound.defined() ? d_bound.data<F>() : nullptr;
  args.d_initial_state = d_initial.defined() ? d_initial.data<F>() : nullptr;
  const Tensor workspace = Tensor::empty(
      wide, {kernels::mlgru_backward_workspace(args.batch, args.chunks(), args.channels)});
  args.workspace = workspace.data<F>();
  kernels::cpu::mlgru_backward<T>(args, tape.context());
  tape.add_gradient(to.u, d_u);
  tape.add_gradient(to.v, d_v);
  if (d_bound.defined()) tape.add_gradient(to.bound, d_bound);
  if (d_initial.defined()) tape.add_gradient(to.initial, d_initial.to(to.initial.dtype()));
}

template <class T>
Variable run(Tape& tape, const Variable& u, const Variable& v, const Variable& bound,
             const Variable& initial, const MlgruOptions& options) {
  using F = compute_t<T>;
  const DType wide = DTypeOf<F>::value;
  Scan<T> scan;
  scan.u = u.value();
  scan.v = v.value();
  if (bound.defined()) scan.bound = bound.value().to(wide);
  if (options.carried.defined()) scan.initial = options.carried;
  if (initial.defined()) scan.initial = initial.value().to(wide).as_contiguous();
  scan.document_start = options.document_start;
  scan.chunk = options.chunk > 0 ? options.chunk : choose_chunk(u.size(0), u.size(1), u.size(2));
  scan.h = Tensor::empty(DTypeOf<T>::value, u.shape());
  kernels::MlgruForwardArgs<T> args{};
  scan.fill(args);
  args.h = scan.h.template data<T>();
  args.h_strides = strides_of(scan.h);
  args.final_state = options.carried.defined() ? options.carried.data<F>() : nullptr;
  const Tensor workspace = Tensor::empty(
      wide, {kernels::mlgru_forward_workspace(args.batch, args.chunks(), args.channels)});
  args.workspace = workspace.data<F>();
  kernels::cpu::mlgru<T>(args, tape.context());
  const Slots to{u, v, bound, initial};
  return tape.record(scan.h, {u, v, bound, initial}, [&tape, scan, to](const Tensor& d_output) {
    backward(tape, scan, d_output, to);
  });
}

}  // namespace

Variable mlgru(Tape& tape, const Variable& u, const Variable& v, const Variable& bound,
               const Variable& initial, const MlgruOptions& options) {
  PERYTON_CHECK(u.value().rank() == 3 && u.shape() == v.shape() && u.dtype() == v.dtype(),
                "mlgru of {} and {}", u.shape().text(), v.shape().text());
  PERYTON_CHECK(!bound.defined() || bound.value().elements() == u.size(2));
  PERYTON_CHECK(!(options.carried.defined() && initial.defined()), "two initial states");
  PERYTON_CHECK(!options.carried.defined() || !tape.recording(),
                "a carried state takes no gradient");
  return dispatch_float(u.dtype(), "mlgru", [&](auto tag) {
    return run<typename decltype(tag)::type>(tape, u, v, bound, initial, options);
  });
}

}  // namespace peryton
