// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/attention.h"

#include "framework/ops/matrix.h"
#include "kernels/attention/attention.h"

namespace peryton {
namespace {

using kernels::AttentionShape;
using kernels::HeadView;

template <class T>
HeadView<T> heads(const Tensor& view) {
  return {view.data<std::remove_const_t<T>>(), view.stride(0), view.stride(1), view.stride(2)};
}

AttentionShape shape_of(const Tensor& fused, const HeadLayout& layout,
                        const AttentionOptions& options) {
  PERYTON_CHECK(fused.rank() == 3 && fused.size(2) == layout.columns() && fused.contiguous(),
                "attention of {} with {} columns", fused.shape().text(), layout.columns());
  const Tensor& start = options.document_start;
  PERYTON_CHECK(!start.defined() || start.shape() == Shape({fused.size(0), fused.size(1)}));
  return {.batch = fused.size(0),
          .queries = fused.size(1),
          .heads = layout.query.heads,
          .kv_heads = layout.key.heads,
          .width = layout.width,
          .window = options.window,
          .scale = options.scale,
          .document_start = start.defined() ? start.data<std::int32_t>() : nullptr};
}

// Calls f(T*) with the element type that `dtype` is computed in.
template <class F>
void in_compute_type(DType dtype, F&& f) {
  compute_dtype(dtype) == DType::kFloat64 ? f(static_cast<double*>(nullptr))
                                          : f(static_cast<float*>(nullptr));
}

Tensor split_heads(const Tensor& tensor, const HeadLayout& layout) {
  return tensor.split_last({layout.query.heads, layout.width});
}

// fused, keys and values in the compute dtype; `log_sum` may be undefined.
Tensor forward(const kernels::Context& context, const AttentionShape& shape, const Tensor& fused,
               const HeadLayout& layout, const Tensor& keys, const Tensor& values,
               const Tensor& log_sum) {
  const Tensor output =
      Tensor::empty(fused.dtype(), {shape.batch, shape.queries, shape.heads * shape.width});
  const Tensor workspace =
      Tensor::empty(fused.dtype(), {kernels::attention_forward_workspace(shape, context.threads)});
  in_compute_type(fused.dtype(), [&]<class T>(T*) {
    kernels::cpu::attention_forward<T>({.shape = shape,
                                        .q = heads<const T>(layout.view(fused, layout.query)),
                                        .k = heads<const T>(keys),
                                        .v = heads<const T>(values),
                                        .output = heads<T>(split_heads(output, layout)),
                                        .log_sum = static_cast<T*>(log_sum.raw()),
                                        .workspace = workspace.data<T>()},
                                       context);
  });
  return output;
}

Tensor backward(const kernels::Context& context, const AttentionShape& shape, const Tensor& fused,
                const HeadLayout& layout, const Tensor& output, const Tensor& log_sum,
                const Tensor& d_output) {
  const Tensor d_fused = Tensor::empty(fused.dtype(), fused.shape());
  const Tensor workspace =
      Tensor::empty(fused.dtype(), {kernels::attention_backward_workspace(shape, context.threads)});
  in_compute_type(fused.dtype(), [&]<class T>(T*) {
    kernels::cpu::attention_backward<T>({.shape = shape,
                                         .q = heads<const T>(layout.view(fused, layout.query)),
                                         .k = heads<const T>(layout.view(fused, layout.key)),
                                         .v = heads<const T>(layout.view(fused, layout.value)),
                                         .output = heads<const T>(split_heads(output, layout)),
                                         .d_output = heads<const T>(split_heads(d_output, layout)),
                                         .log_sum = log_sum.data<T>(),
                                         .d_q = heads<T>(layout.view(d_fused, layout.query)),
                                         .d_k = heads<T>(layout.view(d_fused, layout.key)),
                                         .d_v = heads<T>(layout.view(d_fused, layout.value)),
                                         .workspace = workspace.data<T>()},
                                        context);
  });
  return d_fused;
}

}  // namespace

Variable attention(Tape& tape, const Variable& fused, const HeadLayout& layout,
                   const AttentionOptions& options) {
  const kernels::Context context = tape.context();
  const DType dtype = fused.dtype(), computed = compute_dtype(dtype);
  const AttentionShape shape = shape_of(fused.value(), layout, options);
  const Tensor wide = fused.value().to(computed);
  const Tensor log_sum = Tensor::empty(computed, {shape.batch, shape.heads, shape.queries});
  const Tensor output = forward(context, shape, wide, layout, layout.view(wide, layout.key),
                                layout.view(wide, layout.value), log_sum)
                            .to(dtype);
  // document_start is captured by `options`: the shape points into it.
  const auto run_backward = [=, &tape, saved = fused.value(), to = fused.slot()](const Tensor& d) {
    (void)options;
    const Tensor d_fused = backward(context, shape, saved.to(computed), layout, output.to(computed),
                                    log_sum, d.to(computed).as_contiguous());
    tape.add_gradient(to, d_fused.to(dtype));
  };
  return tape.record(output, {fused}, run_backward);
}

Tensor attention_with_past(const kernels::Context& context, const Tensor& fused,
                           const HeadLayout& layout, const AttentionOptions& options,
                           const Tensor& keys, const Tensor& values, std::int64_t past) {
  AttentionShape shape = shape_of(fused, layout, options);
  shape.past = past;
  PERYTON_CHECK(keys.size(1) >= shape.keys() && values.size(1) >= shape.keys(),
                "{} keys in a cache of {}", shape.keys(), keys.size(1));
  const DType computed = compute_dtype(fused.dtype());
  return forward(context, shape, fused.to(computed), layout, keys.to(computed), values.to(computed),
                 Tensor())
      .to(fused.dtype());
}

}  // namespace peryton
