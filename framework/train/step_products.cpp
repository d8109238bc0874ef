// SPDX-License-Identifier: Apache-2.0
#include "framework/train/step_products.h"

#include <algorithm>
#include <map>

#include "framework/families/flops.h"
#include "framework/families/import.h"
#include "framework/train/model_builder.h"

namespace peryton {
namespace {

std::vector<std::shared_ptr<Component>> described(const StageContext& context,
                                                  const FamilyRegistry& registry,
                                                  std::int64_t vocabulary) {
  const StageConfig& stage = context.stage;
  const std::string name = model_name(context);
  std::vector<std::filesystem::path> folders;
  if (!stage.after.empty()) {
    folders = component_folders(context.inputs.at(stage.after) / "model");
  } else if (name == kHybridModel) {
    for (const std::string& part : context.config.hybrid.components) {
      folders.push_back(component_folder(context, part));
    }
  } else if (is_fresh(context, name)) {
    const ComponentConfig& config = context.config.component(name);
    const Family& family = registry.by_name(config.family);
    return {family.make(fresh_config(config, family, vocabulary), config.where, DType::kFloat32)};
  } else {
    folders.push_back(component_folder(context, name));
  }
  std::vector<std::shared_ptr<Component>> components;
  for (const auto& folder : folders) {
    components.push_back(describe_component(folder, registry).component);
  }
  return components;
}

}  // namespace

std::vector<StepProduct> step_products(const StageContext& context, const FamilyRegistry& registry,
                                       std::int64_t vocabulary) {
  const TrainConfig& settings = context.stage.settings;
  const std::int64_t mine =
      std::max<std::int64_t>(1, settings.global_batch / context.config.parallel.data);
  const std::int64_t batch = settings.micro_batch > 0 ? std::min(settings.micro_batch, mine) : mine;
  const std::int64_t rows = batch * settings.sequence;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> counts;  // {out, in}
  for (const auto& component : described(context, registry, vocabulary)) {
    ++counts[{vocabulary, component->shape().width}];  // the head
    for (const ParameterPtr& parameter : component->parameters()) {
      const Tensor& value = parameter->value;
      if (is_block_matrix(*parameter) && value.dtype() != DType::kUInt8)
        ++counts[{value.size(0), value.size(1)}];
    }
  }
  std::vector<StepProduct> products;
  for (const auto& [shape, count] : counts) {
    products.push_back({rows, shape.second, shape.first, count});
  }
  std::ranges::sort(products, std::ranges::greater(), &StepProduct::flops);
  return products;
}

}  // namespace peryton
