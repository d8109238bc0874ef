// SPDX-License-Identifier: Apache-2.0
#include "framework/train/precision.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "framework/checkpoint/checkpoint.h"
#include "framework/comm/communicator.h"
#include "framework/config/enum_names.h"
#include "framework/ops/matrix.h"

namespace peryton {
namespace {

constexpr std::size_t kMeasured = 4;    // shapes
constexpr double kMeasuredFlops = 2e8;  // of one timing: about two milliseconds of a core
constexpr std::int64_t kWeightElements = 4 << 20;  // beyond any cache that a core has to itself
constexpr int kRepeats = 5;

// One product and its input gradient, as the linear op runs them.
class Timing {
 public:
  Timing(const StepProduct& product, const kernels::Context& context) : context_(context) {
    const std::int64_t out = std::clamp<std::int64_t>(kWeightElements / product.in, 1, product.out);
    const double per_row = 4.0 * static_cast<double>(product.in * out);
    const auto wanted = static_cast<std::int64_t>(kMeasuredFlops / per_row);
    const std::int64_t rows = std::clamp<std::int64_t>(wanted, 1, product.rows);
    times_ = std::clamp<std::int64_t>(wanted / rows, 1, 50);
    scale_ = product.flops() / (per_row * static_cast<double>(rows * times_));
    x_ = Tensor::full(DType::kFloat32, {rows, product.in}, 0.5);
    d_y_ = Tensor::full(DType::kFloat32, {rows, out}, 0.5);
    y_ = Tensor::empty(DType::kFloat32, {rows, out});
    d_x_ = Tensor::empty(DType::kFloat32, {rows, product.in});
    weight_ = Tensor::full(DType::kFloat32, {out, product.in}, 0.5);
    half_ = weight_.to(DType::kBFloat16);
  }
  // Seconds of the whole shape, from one try.
  double seconds(Precision precision) const {
    const Tensor& weight = precision == Precision::kBf16 ? half_ : weight_;
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < times_; ++i) {
      matrix_product(context_, x_, weight, y_, {.transpose_b = true});
      matrix_product(context_, d_y_, weight, d_x_);
    }
    return scale_ * std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  kernels::Context context_;
  std::int64_t times_ = 1;
  double scale_ = 1;
  Tensor x_, y_, d_y_, d_x_, weight_, half_;
};

// Of the newest checkpoint; kAuto: there is none.
Precision stored_precision(const StageContext& context) {
  const auto checkpoint = CheckpointStore(context.stage_folder / "checkpoints").latest();
  if (!checkpoint) return Precision::kAuto;
  const auto found = checkpoint->state().find("precision");
  const bool bf16 = found != checkpoint->state().end() && *found == name_of(Precision::kBf16);
  const Precision stored = bf16 ? Precision::kBf16 : Precision::kFp32;
  spdlog::info("precision: auto is {}, as in the checkpoint of step {}", name_of(stored),
               checkpoint->step());
  return stored;
}

}  // namespace

PrecisionTimes measure_precision(std::span<const StepProduct> products,
                                 const kernels::Context& context) {
  PrecisionTimes sum;
  for (const StepProduct& product : products.first(std::min(kMeasured, products.size()))) {
    const Timing timing(product, context);
    constexpr double kNever = std::numeric_limits<double>::infinity();
    PrecisionTimes best{kNever, kNever};
    for (int i = 0; i < kRepeats; ++i) {  // in turn, so that a busy moment hits both
      best.fp32 = std::min(best.fp32, timing.seconds(Precision::kFp32));
      best.bf16 = std::min(best.bf16, timing.seconds(Precision::kBf16));
    }
    sum.fp32 += best.fp32;
    sum.bf16 += best.bf16;
  }
  return sum;
}

Precision choose_precision(const StageContext& context, const FamilyRegistry& registry,
                           std::int64_t vocabulary) {
  const Precision setting = context.stage.settings.precision;
  if (setting != Precision::kAuto) return setting;
  Precision chosen = Precision::kFp32;
  if (context.world.rank() == 0) {
    chosen = stored_precision(context);
    if (chosen == Precision::kAuto) {
      const auto products = step_products(context, registry, vocabulary);
      const PrecisionTimes times =
          measure_precision(products, {.device = {}, .threads = context.threads});
      chosen = times.faster();
      spdlog::info(
          "precision: auto is {}: a step's products take {:.3g} ms with fp32 weights and "
          "{:.3g} ms with bf16 ones",
          name_of(chosen), 1e3 * times.fp32, 1e3 * times.bf16);
    }
  }
  std::int64_t number = static_cast<std::int64_t>(chosen);
  context.world.broadcast(std::span<std::int64_t>(&number, 1));
  return static_cast<Precision>(number);
}

}  // namespace peryton
