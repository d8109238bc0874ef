// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/embedding.h"

#include "framework/ops/matrix.h"
#include "kernels/embedding/embedding.h"

namespace peryton {
namespace {

template <class T, class D>
void scatter_add(const kernels::Context& context, const Tensor& ids, const Tensor& d_out,
                 const Tensor& d_table) {
  kernels::cpu::embedding_backward<T, D>({.ids = ids.data<std::int32_t>(),
                                          .tokens = ids.elements(),
                                          .width = d_table.size(1),
                                          .d_out = d_out.data<D>(),
                                          .d_table = d_table.data<T>()},
                                         context);
}

}  // namespace

Variable embedding(Tape& tape, const Tensor& ids, const Variable& table) {
  for (const std::int32_t id : ids.values<std::int32_t>()) {
    PERYTON_CHECK(id >= 0 && id < table.size(0), "token id {} outside a vocabulary of {}", id,
                  table.size(0));
  }
  const kernels::Context context = tape.context();
  const Tensor rows = Tensor::empty(table.dtype(), {ids.size(0), ids.size(1), table.size(1)});
  dispatch_float(table.dtype(), "embedding", [&](auto tag) {
    using T = typename decltype(tag)::type;
    kernels::cpu::embedding<T>({.ids = ids.data<std::int32_t>(),
                                .tokens = ids.elements(),
                                .width = table.size(1),
                                .table = table.value().data<T>(),
                                .out = rows.data<T>()},
                               context);
  });
  const Tensor out = rows.to(compute_dtype(table.dtype()));
  return tape.record(out, {table}, [=, &tape, to = table.slot()](const Tensor& d) {
    const Tensor d_out = d.as_contiguous();
    const Tensor d_table = tape.gradient_to_add_into(to);
    if (d_table.dtype() == DType::kFloat64) {
      scatter_add<double, double>(context, ids, d_out, d_table);
    } else if (d_out.dtype() == DType::kBFloat16) {
      scatter_add<float, BFloat16>(context, ids, d_out, d_table);
    } else {
      scatter_add<float, float>(context, ids, d_out, d_table);
    }
  });
}

}  // namespace peryton
