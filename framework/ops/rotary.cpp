// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/rotary.h"

#include "framework/ops/matrix.h"
#include "kernels/rotary/rotary.h"

namespace peryton {
namespace {

void turn(const kernels::Context& context, const Tensor& to, const Tensor& from,
          const RotaryTable& table, const Tensor& positions, std::int64_t half, bool inverse) {
  dispatch_float(to.dtype(), "rotary", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = compute_t<T>;
    kernels::cpu::rotary<T>({.output = to.data<T>(),
                             .input = from.data<T>(),
                             .cosine = table.cosine.data<C>(),
                             .sine = table.sine.data<C>(),
                             .position = positions.data<std::int32_t>(),
                             .rows = positions.elements(),
                             .heads = to.size(2),
                             .width = to.size(3),
                             .half = half,
                             .output_row_stride = to.stride(1),
                             .output_head_stride = to.stride(2),
                             .input_row_stride = from.stride(1),
                             .input_head_stride = from.stride(2),
                             .inverse = inverse},
                            context);
  });
}

Tensor turned(const kernels::Context& context, const Tensor& fused, const HeadLayout& layout,
              const RotaryTable& table, const Tensor& positions, bool inverse) {
  const Tensor result = Tensor::empty(fused.dtype(), fused.shape());
  const std::int64_t half = table.cosine.size(1);
  for (const auto* part : {&layout.query, &layout.key}) {
    turn(context, layout.view(result, *part), layout.view(fused, *part), table, positions, half,
         inverse);
  }
  turn(context, layout.view(result, layout.value), layout.view(fused, layout.value), table,
       positions, 0, inverse);
  return result;
}

struct Angles {
  double base, scale;
  const double* frequencies;
};

RotaryTable filled_table(const kernels::Context& context, DType dtype, std::int64_t positions,
                         std::int64_t half, const Angles& angles) {
  const Shape shape{positions, half};
  const DType computed = compute_dtype(dtype);
  const RotaryTable table{Tensor::empty(computed, shape), Tensor::empty(computed, shape)};
  const auto fill = [&]<class C>(C*) {
    kernels::cpu::rotary_table<C>({.cosine = table.cosine.data<C>(),
                                   .sine = table.sine.data<C>(),
                                   .positions = positions,
                                   .half = half,
                                   .base = angles.base,
                                   .scale = angles.scale,
                                   .frequencies = angles.frequencies},
                                  context);
  };
  computed == DType::kFloat64 ? fill(static_cast<double*>(nullptr))
                              : fill(static_cast<float*>(nullptr));
  return table;
}

}  // namespace

RotaryTable rotary_table(const kernels::Context& context, DType dtype, std::int64_t positions,
                         std::int64_t rotary_width, double base, double scale) {
  PERYTON_CHECK(rotary_width % 2 == 0, "rotary width {} is odd", rotary_width);
  return filled_table(context, dtype, positions, rotary_width / 2,
                      {.base = base, .scale = scale, .frequencies = nullptr});
}

RotaryTable rotary_table(const kernels::Context& context, DType dtype, std::int64_t positions,
                         std::span<const double> frequencies) {
  return filled_table(context, dtype, positions, static_cast<std::int64_t>(frequencies.size()),
                      {.base = 1, .scale = 1, .frequencies = frequencies.data()});
}

Tensor token_positions(const Tensor& document_start, std::int64_t rows, std::int64_t length,
                       std::int64_t past) {
  const Tensor positions = Tensor::empty(DType::kInt32, {rows, length});
  const auto values = positions.values<std::int32_t>();
  for (std::int64_t i = 0; i < rows * length; ++i) {
    const std::int64_t start =
        document_start.defined() ? document_start.values<std::int32_t>()[i] : 0;
    values[i] = static_cast<std::int32_t>(past + i % length - start);
    PERYTON_CHECK(values[i] >= 0, "document starts after its token: {}", start);
  }
  return positions;
}

Variable rotary(Tape& tape, const Variable& fused, const HeadLayout& layout,
                const RotaryTable& table, const Tensor& positions) {
  PERYTON_CHECK(
      fused.value().rank() == 3 && fused.size(2) == layout.columns() && fused.value().contiguous(),
      "rotary of {} with {} columns", fused.shape().text(), layout.columns());
  PERYTON_CHECK(positions.shape() == Shape({fused.size(0), fused.size(1)}));
  const kernels::Context context = tape.context();
  const auto backward = [=, &tape, to = fused.slot()](const Tensor& d) {
    tape.add_gradient(to, turned(context, d.as_contiguous(), layout, table, positions, true));
  };
  return tape.record(turned(context, fused.value(), layout, table, positions, false), {fused},
                     backward);
}

}  // namespace peryton
