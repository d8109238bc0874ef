// SPDX-License-Identifier: Apache-2.0
#include "framework/families/mamba2/component.h"

#include "framework/ops/arithmetic.h"
#include "framework/ops/gated_rms_norm.h"
#include "framework/ops/matrix.h"
#include "framework/ops/ssd.h"

namespace peryton::mamba2 {
namespace {

// The result does not depend on the chunk but for rounding; 64 is the fastest here and rounds
// least.
constexpr std::int64_t kLongestChunk = 64;

}  // namespace

Mamba2::Mamba2(Config config, DType dtype) : SsmModel(config, dtype), config_(std::move(config)) {
  make_all(config_, [&](const std::string& prefix) { blocks_.push_back(make_block(prefix)); });
}

Block Mamba2::make_block(const std::string& prefix) {
  const Config& c = config_;
  const std::string mixer = prefix + "mixer.";
  const DType scan = compute_dtype(list_.dtype());
  Block block;
  block.in_proj = list_.linear(mixer + "in_proj", c.projected(), c.width, c.projection_bias);
  block.conv = make_convolution(mixer, c.conv_channels(), c);
  block.dt_bias = list_.add(mixer + "dt_bias", kComponents, {c.heads}, scan);
  block.a_log = list_.add(mixer + "A_log", kComponents, {c.heads}, scan);
  block.d = list_.add(mixer + "D", kComponents, {c.heads}, scan);
  block.gated_norm = list_.add(mixer + "norm.weight", kNorms, {c.inner()});
  block.out_proj = list_.linear(mixer + "out_proj", c.width, c.inner(), c.projection_bias);
  return block;
}

Variable Mamba2::branch(const ForwardContext& context, std::int64_t index, const SsmCarry* carry,
                        const Variable& normed) const {
  const Config& c = config_;
  const Block& block = blocks_[static_cast<std::size_t>(index)];
  Tape& tape = context.tape;
  const Variable projected = block.in_proj(tape, normed);
  const std::vector<Variable> parts =
      split_columns(tape, projected, {c.inner(), c.conv_channels(), c.heads});
  const Variable &z = parts[0], &dt = parts[2];
  const Variable xbc = convolve(context, block.conv, carry, parts[1]);

  SsdOptions scan;
  scan.heads = c.heads;
  scan.head_dim = c.head_dim;
  scan.state = c.state;
  scan.groups = c.groups;
  scan.chunk = std::min(c.chunk, kLongestChunk);
  scan.dt_min = c.dt_min;
  scan.dt_max = c.dt_max;
  scan.document_start = context.batch.document_start;
  if (carry != nullptr) scan.carried = carry->state;
  const Variable y = ssd(tape, xbc, dt, tape.parameter(*block.a_log),
                         tape.parameter(*block.dt_bias), tape.parameter(*block.d), scan);

  const Variable gated = gated_rms_norm(
      tape, y, z, tape.parameter(*block.gated_norm),
      {.groups = c.norm_groups, .eps = c.eps, .norm_before_gate = c.norm_before_gate});
  return block.out_proj(tape, gated);
}

SsmCarry Mamba2::fresh_carry(DType dtype, std::int64_t rows) const {
  const Config& c = config_;
  return {Tensor::zeros(dtype, {rows, c.conv - 1, c.conv_channels()}),
          Tensor::zeros(dtype, {rows, c.heads, c.state, c.head_dim})};
}

double Mamba2::mixing_flops_per_token(std::int64_t first, std::int64_t last,
                                      std::int64_t length) const {
  const Config& c = config_;
  const auto chunk = static_cast<double>(std::min({c.chunk, kLongestChunk, length}));
  const auto product = [](std::int64_t a, std::int64_t b) {
    return 2.0 * static_cast<double>(a) * static_cast<double>(b);
  };
  // Half of each chunk's tile of scores and weights is above the diagonal.
  const double inside = chunk * static_cast<double>(c.shared() + c.inner());
  const double states = 2.0 * product(c.inner(), c.state);
  return static_cast<double>(last - first) * (product(c.conv, c.conv_channels()) + inside + states);
}

}  // namespace peryton::mamba2
