// SPDX-License-Identifier: Apache-2.0
#include "framework/train/precision.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>

#include "framework/checkpoint/checkpoint.h"
#include "framework/comm/communicator.h"
#include "framework/config/enum_names.h"
#include "framework/ops/matrix.h"
#include "kernels/gemm/gemm.h"

namespace peryton {
namespace {

constexpr std::size_t kMeasured = 4;    // shapes
constexpr double kMeasuredFlops = 1e9;  // of one timing: about ten milliseconds of a core
// Enough that packing the weight is as small a part as in the step; a step with fewer rows is timed
// with all of them, on a weight beyond any cache that a core has to itself.
constexpr std::int64_t kMeasuredRows = 512, kWeightElements = 4 << 20;
constexpr int kRepeats = 5;

// One product and its input gradient, as the linear op runs them.
class Timing {
 public:
  Timing(const StepProduct& product, const kernels::Context& context) : context_(context) {
    const std::int64_t rows = std::min(product.rows, kMeasuredRows);
    const double per_column = 4.0 * static_cast<double>(rows * product.in);
    const std::int64_t wanted = std::min(static_cast<std::int64_t>(kMeasuredFlops / per_column),
                                         kWeightElements / product.in);
    const std::int64_t out = std::clamp<std::int64_t>(wanted, 1, product.out);
    const double once = per_column * static_cast<double>(out);
    times_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(kMeasuredFlops / once), 1, 50);
    scale_ = product.flops() / (once * static_cast<double>(times_));
    x_ = Tensor::full(DType::kFloat32, {rows, product.in}, 0.5);
    d_y_ = Tensor::full(DType::kFloat32, {rows, out}, 0.5);
    y_ = Tensor::empty(DType::kFloat32, {rows, out});
    d_x_ = Tensor::empty(DType::kFloat32, {rows, product.in});
    weight_ = Tensor::full(DType::kFloat32, {out, product.in}, 0.5);
    half_ = weight_.to(DType::kBFloat16);
  }
  // Seconds of the whole shape, from one try.
  double seconds(const PrecisionChoice& choice) const {
    const Tensor& weight = choice.weights == Precision::kBf16 ? half_ : weight_;
    kernels::Context context = context_;
    context.bf16_dots = choice.bf16_dots;
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < times_; ++i) {
      matrix_product(context, x_, weight, y_, {.transpose_b = true});
      matrix_product(context, d_y_, weight, d_x_);
    }
    return scale_ * std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  kernels::Context context_;
  std::int64_t times_ = 1;
  double scale_ = 1;
  Tensor x_, y_, d_y_, d_x_, weight_, half_;
};

constexpr PrecisionChoice kPlain{Precision::kFp32, false}, kWidened{Precision::kBf16, false},
    kDots{Precision::kBf16, true};

std::string_view words_of(const PrecisionChoice& choice) {
  if (choice.weights == Precision::kFp32) return "fp32";
  return choice.bf16_dots ? "bf16 with dot products" : "bf16, widened in products";
}

bool clearly_faster(double one, double other) { return one < 0.97 * other; }

// Of the newest checkpoint; those from before there were dot products do not name them.
std::optional<PrecisionChoice> stored_choice(const StageContext& context, bool dots) {
  const auto checkpoint = CheckpointStore(context.stage_folder / "checkpoints").latest();
  if (!checkpoint) return std::nullopt;
  const nlohmann::json& state = checkpoint->state();
  PrecisionChoice stored;
  if (state.value("precision", "") == name_of(Precision::kBf16)) stored.weights = Precision::kBf16;
  stored.bf16_dots = state.value("bf16_dots", false);
  spdlog::info("precision is {}, as in the checkpoint of step {}", words_of(stored),
               checkpoint->step());
  if (stored.bf16_dots && !dots) {
    spdlog::warn(
        "not every processor of this run has bf16 dot products: products are widened to fp32 from "
        "step {} on, so what follows is not bitwise what it would have been",
        checkpoint->step());
    stored.bf16_dots = false;
  }
  return stored;
}

PrecisionChoice measured_choice(const StageContext& context, const FamilyRegistry& registry,
                                std::int64_t vocabulary, bool dots) {
  const Precision setting = context.stage.settings.precision;
  if (setting == Precision::kBf16 && !dots) return kWidened;
  const PrecisionTimes times = measure_precision(step_products(context, registry, vocabulary),
                                                 {.device = {}, .threads = context.threads}, dots);
  const PrecisionChoice choice = times.fastest(setting);
  const std::string with_dots =
      dots ? fmt::format(", {:.3g} ms with bf16 dot products", 1e3 * times.bf16_dots) : "";
  spdlog::info(
      "precision: {} is {}: a step's products take {:.3g} ms with fp32 weights, {:.3g} ms with "
      "bf16 ones{}",
      name_of(setting), words_of(choice), 1e3 * times.fp32, 1e3 * times.bf16, with_dots);
  return choice;
}

}  // namespace

PrecisionChoice PrecisionTimes::fastest(Precision setting) const {
  const bool dots = clearly_faster(bf16_dots, bf16);
  const bool half = setting == Precision::kBf16 || clearly_faster(dots ? bf16_dots : bf16, fp32);
  return half ? (dots ? kDots : kWidened) : kPlain;
}

PrecisionTimes measure_precision(std::span<const StepProduct> products,
                                 const kernels::Context& context, bool dots) {
  PrecisionTimes sum;
  if (dots) sum.bf16_dots = 0;
  for (const StepProduct& product : products.first(std::min(kMeasured, products.size()))) {
    const Timing timing(product, context);
    constexpr double kNever = std::numeric_limits<double>::infinity();
    PrecisionTimes best{kNever, kNever, kNever};
    for (int i = 0; i < kRepeats; ++i) {  // in turn, so that a busy moment hits all
      best.fp32 = std::min(best.fp32, timing.seconds(kPlain));
      best.bf16 = std::min(best.bf16, timing.seconds(kWidened));
      if (dots) best.bf16_dots = std::min(best.bf16_dots, timing.seconds(kDots));
    }
    sum.fp32 += best.fp32;
    sum.bf16 += best.bf16;
    sum.bf16_dots += best.bf16_dots;
  }
  return sum;
}

PrecisionChoice choose_precision(const StageContext& context, const FamilyRegistry& registry,
                                 std::int64_t vocabulary) {
  if (context.stage.settings.precision == Precision::kFp32) return kPlain;
  const std::int64_t lacking = kernels::has_bf16_dots() ? 0 : 1;
  const bool dots = context.world.max(lacking) == 0;
  PrecisionChoice choice;
  if (context.world.rank() == 0) {
    const auto stored = stored_choice(context, dots);
    choice = stored ? *stored : measured_choice(context, registry, vocabulary, dots);
  }
  std::array<std::int64_t, 2> numbers = {static_cast<std::int64_t>(choice.weights),
                                         choice.bf16_dots ? 1 : 0};
  context.world.broadcast(std::span<std::int64_t>(numbers));
  return {static_cast<Precision>(numbers[0]), numbers[1] != 0};
}

}  // namespace peryton
