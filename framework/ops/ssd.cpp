// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/ssd.h"

#include <algorithm>
#include <vector>

#include "framework/ops/matrix.h"
#include "kernels/ssd/ssd.h"

namespace peryton {
namespace {

struct Inputs {
  Variable xbc, dt, a_log, dt_bias, d;

  std::vector<Variable> all() const { return {xbc, dt, a_log, dt_bias, d}; }
};

struct Slots {
  GradientSlot xbc, dt, a_log, dt_bias, d;

  explicit Slots(const Inputs& from)
      : xbc(from.xbc), dt(from.dt), a_log(from.a_log), dt_bias(from.dt_bias), d(from.d) {}
};

// The chunks of every row, none across a document start.
struct Chunks {
  std::vector<kernels::SsdChunk> chunks;
  std::vector<std::int64_t> row_begin{0};
  std::int64_t longest = 0;

  Chunks(std::int64_t rows, std::int64_t tokens, const SsdOptions& options) {
    longest = std::min(tokens, options.chunk);
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int32_t* starts = nullptr;
      if (options.document_start.defined()) {
        starts = options.document_start.data<std::int32_t>() + row * tokens;
      }
      const std::int64_t begin = row_begin.back();
      const std::int64_t count = kernels::ssd_count_chunks(tokens, longest, starts);
      chunks.resize(static_cast<std::size_t>(begin + count));
      kernels::ssd_fill_chunks(tokens, longest, starts, options.carried.defined(),
                               std::span(chunks).subspan(static_cast<std::size_t>(begin)));
      row_begin.push_back(begin + count);
    }
  }
  kernels::SsdChunkTable table() const { return {chunks.data(), row_begin.data()}; }
  std::int64_t count() const { return row_begin.back(); }
};

// What forward and backward share; T is float or double.
template <class T>
struct Scan {
  SsdOptions options;
  Tensor xbc, dt, a_log, dt_bias, d;
  Tensor states;  // [chunks, H, N, P], entering each chunk
  std::shared_ptr<const Chunks> chunks;

  Scan(const Inputs& inputs, const SsdOptions& o) : options(o) {
    const DType dtype = DTypeOf<T>::value;
    xbc = inputs.xbc.value().to(dtype);
    dt = inputs.dt.value().to(dtype);
    a_log = inputs.a_log.value().to(dtype);
    dt_bias = inputs.dt_bias.value().to(dtype);
    d = inputs.d.value().to(dtype);
    chunks = std::make_shared<const Chunks>(xbc.size(0), xbc.size(1), options);
  }
  std::int64_t inner() const { return options.heads * options.head_dim; }
  std::int64_t shared() const { return options.groups * options.state; }
  kernels::SsdShape shape() const {
    return {xbc.size(0),      xbc.size(1),   options.heads,
            options.head_dim, options.state, options.groups};
  }
  void fill(kernels::SsdArgs<T>& args) const {
    args.shape = shape();
    args.x = xbc.data<T>();
    args.b = args.x + inner();
    args.c = args.b + shared();
    args.dt = dt.data<T>();
    args.x_strides = args.b_strides = args.c_strides = {xbc.stride(0), xbc.stride(1)};
    args.dt_strides = {dt.stride(0), dt.stride(1)};
    args.a_log = a_log.data<T>();
    args.dt_bias = dt_bias.data<T>();
    args.d = d.data<T>();
    args.dt_min = static_cast<T>(options.dt_min);
    args.dt_max = static_cast<T>(options.dt_max);
    args.initial_state = options.carried.defined() ? options.carried.data<T>() : nullptr;
  }
};

template <class T>
void backward(Tape& tape, const Scan<T>& scan, const Tensor& d_output, const Slots& inputs) {
  const DType dtype = DTypeOf<T>::value;
  const Tensor d_y = d_output.to(dtype);
  const Tensor d_xbc = Tensor::empty(dtype, scan.xbc.shape());
  const Tensor d_dt = Tensor::empty(dtype, scan.dt.shape());
  const auto wanted = [&](const GradientSlot& weight) {
    return weight.needs_gradient() ? Tensor::empty(dtype, weight.shape()) : Tensor();
  };
  const Tensor d_a_log = wanted(inputs.a_log), d_dt_bias = wanted(inputs.dt_bias);
  const Tensor d_d = wanted(inputs.d);
  kernels::SsdBackwardArgs<T> args{};
  scan.fill(args);
  args.chunk_states = scan.states.template data<T>();
  args.d_y = d_y.data<T>();
  args.d_y_strides = {d_y.stride(0), d_y.stride(1)};
  args.d_x = d_xbc.data<T>();
  args.d_b = args.d_x + scan.inner();
  args.d_c = args.d_b + scan.shared();
  args.d_x_strides = args.d_b_strides = args.d_c_strides = {d_xbc.stride(0), d_xbc.stride(1)};
  args.d_dt = d_dt.data<T>();
  args.d_dt_strides = {d_dt.stride(0), d_dt.stride(1)};
  args.d_a_log = d_a_log.defined() ? d_a_log.data<T>() : nullptr;
  args.d_dt_bias = d_dt_bias.defined() ? d_dt_bias.data<T>() : nullptr;
  args.d_d = d_d.defined() ? d_d.data<T>() : nullptr;
  const Tensor workspace = Tensor::empty(
      dtype,
      {kernels::ssd_backward_workspace(args.shape, scan.chunks->longest, tape.context().threads)});
  kernels::cpu::ssd_backward<T>(args, scan.chunks->table(), scan.chunks->longest,
                                workspace.data<T>(), tape.context());
  tape.add_gradient(inputs.xbc, d_xbc.to(inputs.xbc.dtype()));
  tape.add_gradient(inputs.dt, d_dt.to(inputs.dt.dtype()));
  if (d_a_log.defined()) tape.add_gradient(inputs.a_log, d_a_log);
  if (d_dt_bias.defined()) tape.add_gradient(inputs.dt_bias, d_dt_bias);
  if (d_d.defined()) tape.add_gradient(inputs.d, d_d);
}

template <class T>
Variable run(Tape& tape, const Inputs& inputs, const SsdOptions& options) {
  const DType dtype = DTypeOf<T>::value;
  Scan<T> scan(inputs, options);
  kernels::SsdForwardArgs<T> args{};
  scan.fill(args);
  const kernels::SsdShape& shape = args.shape;
  const Tensor y = Tensor::empty(dtype, {shape.batch, shape.tokens, scan.inner()});
  args.y = y.data<T>();
  args.y_strides = {y.stride(0), y.stride(1)};
  if (options.carried.defined()) args.final_state = options.carried.data<T>();
  const std::vector<Variable> all = inputs.all();
  if (tape.recording() && std::ranges::any_of(all, &Variable::needs_gradient)) {
    scan.states =
        Tensor::empty(dtype, {scan.chunks->count(), shape.heads, shape.state, shape.head_dim});
    args.chunk_states = scan.states.template data<T>();
  }
  const Tensor workspace = Tensor::empty(
      dtype, {kernels::ssd_forward_workspace(shape, scan.chunks->longest, tape.context().threads)});
  kernels::cpu::ssd_forward<T>(args, scan.chunks->table(), scan.chunks->longest,
                               workspace.data<T>(), tape.context());
  return tape.record(y.to(inputs.xbc.dtype()), all,
                     [&tape, scan, slots = Slots(inputs)](const Tensor& d_output) {
                       backward(tape, scan, d_output, slots);
                     });
}

}  // namespace

Variable ssd(Tape& tape, const Variable& xbc, const Variable& dt, const Variable& a_log,
             const Variable& dt_bias, const Variable& d, const SsdOptions& options) {
  const SsdOptions& o = options;
  PERYTON_CHECK(o.groups > 0 && o.heads % o.groups == 0 && o.chunk > 0);
  PERYTON_CHECK(xbc.size(-1) == o.heads * o.head_dim + 2 * o.groups * o.state &&
                    dt.size(-1) == o.heads && a_log.size(0) == o.heads,
                "ssd of {} and {}", xbc.shape().text(), dt.shape().text());
  PERYTON_CHECK(!o.carried.defined() || !tape.recording(), "a carried state takes no gradient");
  const Inputs inputs{xbc, dt, a_log, dt_bias, d};
  if (compute_dtype(xbc.dtype()) == DType::kFloat64) return run<double>(tape, inputs, options);
  return run<float>(tape, inputs, options);
}

}  // namespace peryton
