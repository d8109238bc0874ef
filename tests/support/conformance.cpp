// SPDX-License-Identifier: Apache-2.0
#include "tests/support/conformance.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/model_folder.h"
#include "framework/core/rng.h"
#include "framework/ops/head_loss.h"
#include "framework/ops/matrix.h"
#include "tests/support/finite_difference.h"

namespace peryton::test {
namespace {

namespace fs = std::filesystem;

Parameter* find(const Component& component, const std::string& name) {
  for (const ParameterPtr& parameter : component.parameters()) {
    if (parameter->name == name) return parameter.get();
  }
  return nullptr;
}

double mean_scale(const Tensor& targets) {
  const auto values = targets.values<std::int32_t>();
  const auto count = std::ranges::count_if(values, [](std::int32_t t) { return t >= 0; });
  return 1.0 / static_cast<double>(std::max<std::ptrdiff_t>(count, 1));
}

bool any_trainable(const Component& component) {
  return std::ranges::any_of(component.parameters(), &Parameter::trainable,
                             [](const ParameterPtr& p) -> const Parameter& { return *p; });
}

}  // namespace

std::vector<GoldenCase> golden_cases() {
  std::vector<GoldenCase> cases;
  const FamilyRegistry registry = all_families();
  for (const auto& family : registry.all()) {
    const fs::path root = fs::path(PERYTON_GOLDEN_DIR) / "families" / family->name();
    if (!fs::is_directory(root)) continue;
    for (const auto& entry : fs::directory_iterator(root)) {
      if (!fs::exists(entry.path() / "expected.safetensors")) continue;
      cases.push_back({family->name(), entry.path().filename().string(), entry.path()});
    }
  }
  std::ranges::sort(cases, {}, &GoldenCase::folder);
  return cases;
}

std::unique_ptr<Component> load_golden(const GoldenCase& golden, DType dtype) {
  const FamilyRegistry registry = all_families();
  const ModelFolder folder = ModelFolder::open(golden.folder);
  const std::string where = folder.config_path().string();
  const Family& family = registry.for_config(folder.config(), where);
  PERYTON_CHECK(family.name() == golden.family, "{} was taken by {}", where, family.name());
  auto component = family.create(folder.config(), where, dtype);
  std::size_t found = 0;
  for (const std::string& name : folder.names()) {
    const auto canonical = family.canonical_name(name);
    if (!canonical) continue;
    const Parameter* parameter = find(*component, *canonical);
    if (parameter == nullptr && component->shape().tied_head) continue;  // a stored tied head
    PERYTON_CHECK(parameter != nullptr, "{} is unknown", name);
    if (parameter->value.dtype() == DType::kUInt8) {  // packed weights
      const Tensor bytes = folder.load(name);
      std::ranges::copy(bytes.values<std::uint8_t>(), parameter->value.data<std::uint8_t>());
    } else {
      parameter->value.copy_from(folder.load(name, parameter->value.dtype()));
    }
    ++found;
  }
  PERYTON_CHECK(found == component->parameters().size(), "{} of {} parameters in {}", found,
                component->parameters().size(), golden.folder.string());
  return component;
}

std::unique_ptr<Component> tiny_model(const Family& family, DType dtype, std::uint64_t seed) {
  return tiny_model(family, family.tiny_config(), dtype, seed);
}

std::unique_ptr<Component> tiny_model(const Family& family, const nlohmann::json& config,
                                      DType dtype, std::uint64_t seed) {
  auto component = family.create(config, "tiny config", dtype);
  family.initialise(*component, seed);
  std::uint64_t stream = seed * 1000;
  for (const ParameterPtr& parameter : component->parameters()) {
    const Tensor noise = random_normal(DType::kFloat64, parameter->value.shape(), ++stream, 0.1);
    const Tensor value = parameter->value.to(DType::kFloat64).contiguous_copy();
    for (std::size_t i = 0; i < noise.values<double>().size(); ++i) {
      value.values<double>()[i] += noise.values<double>()[i];
    }
    parameter->value.copy_from(value);
  }
  return component;
}

void set_trainable(const Component& component, bool trainable) {
  for (const ParameterPtr& parameter : component.parameters()) {
    if (parameter->value.dtype() == DType::kUInt8) continue;  // packed weights never train
    parameter->trainable = trainable;
    parameter->gradient =
        trainable ? Tensor::zeros(compute_dtype(parameter->value.dtype()), parameter->value.shape())
                  : Tensor();
  }
}

Evaluation evaluate(Component& component, const TokenBatch& batch, const Tensor& targets,
                    int threads) {
  kernels::Context context;
  context.threads = threads;
  Tape tape(context);
  const ForwardContext forward{tape, batch, nullptr};
  Evaluation result;
  Variable hidden = component.embed(forward);
  for (std::int64_t block = 0; block < component.shape().blocks; ++block) {
    hidden = component.run(forward, block, block + 1, hidden);
    result.hidden.push_back(hidden.value());
  }
  hidden = component.final_norm(forward, hidden);
  result.logits = component.logits(forward, hidden).value();
  const HeadLoss loss = head_loss(tape, {.terms = {component.head_term(forward, hidden)},
                                         .coefficients = {},
                                         .vocabulary = component.shape().vocabulary,
                                         .targets = targets,
                                         .weights = {},
                                         .scale = mean_scale(targets)});
  result.loss = loss.loss.value().item();
  if (!any_trainable(component)) return result;
  tape.backward(loss.loss);
  for (const ParameterPtr& parameter : component.parameters()) {
    if (parameter->trainable) result.gradients[parameter->name] = parameter->gradient;
  }
  return result;
}

Tensor logits_of(Component& component, const TokenBatch& batch, ComponentState* state) {
  Tape tape({}, Tape::Mode::kInference);
  const ForwardContext context{tape, batch, state};
  const Variable hidden =
      component.run(context, 0, component.shape().blocks, component.embed(context));
  return component.logits(context, component.final_norm(context, hidden)).value();
}

Tensor next_tokens(const Tensor& ids) {
  const Tensor targets = Tensor::full(DType::kInt32, ids.shape(), -1);
  const auto from = ids.values<std::int32_t>(), to = targets.values<std::int32_t>();
  const auto length = static_cast<std::size_t>(ids.size(1));
  for (std::size_t i = 0; i + 1 < from.size(); ++i) {
    if ((i + 1) % length != 0) to[i] = from[i + 1];
  }
  return targets;
}

Tensor random_ids(std::int64_t rows, std::int64_t length, std::int64_t vocabulary,
                  std::uint64_t seed) {
  const Rng rng(seed, RandomPurpose::kTest, 77);
  const Tensor ids = Tensor::empty(DType::kInt32, {rows, length});
  std::uint64_t index = 0;
  for (auto& id : ids.values<std::int32_t>()) {
    id = static_cast<std::int32_t>(rng.below(index++, static_cast<std::uint64_t>(vocabulary)));
  }
  return ids;
}

}  // namespace peryton::test
