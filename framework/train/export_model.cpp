// SPDX-License-Identifier: Apache-2.0
#include "framework/train/export_model.h"

#include <nlohmann/json.hpp>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/families/import.h"
#include "framework/hybrid/export/modeling_code.h"
#include "framework/hybrid/hybrid_json.h"

namespace peryton {
namespace {

nlohmann::json hybrid_config(const StoredModel& stored) {
  const HybridModel& hybrid = *stored.hybrid;
  nlohmann::json components = nlohmann::json::array(), segments = nlohmann::json::array();
  for (std::size_t k = 0; k < hybrid.parts().size(); ++k) {
    const HybridPart& part = hybrid.parts()[k];
    components.push_back({{"name", part.name}, {"config", part.component->config()}});
    segments.push_back(hybrid.boundaries(static_cast<std::int64_t>(k)));
  }
  return {{"model_type", "peryton"},
          {"architectures", {"PerytonForCausalLM"}},
          {"auto_map",
           {{"AutoConfig", "configuration_peryton.PerytonConfig"},
            {"AutoModelForCausalLM", "modeling_peryton.PerytonForCausalLM"}}},
          {"components", components},
          {"segments", segments},
          {"width", hybrid.width()},
          {"gate", name_of(hybrid.options().gate)},
          {"alpha", hybrid.alpha()},
          {"projectors", name_of(hybrid.options().projectors)},
          {"embeddings", stored.fresh_embeddings ? "fresh" : "keep"},
          {"vocabulary", hybrid.vocabulary()},
          {"vocab_size", hybrid.vocabulary()},
          {"fidelity", hybrid.options().released_code ? "released_code" : "ours"},
          {"torch_dtype", "float32"}};
}

// Packed weights stay bytes.
Tensor exported(const Tensor& value) {
  return value.dtype() == DType::kUInt8 ? value : value.to(DType::kFloat32);
}

void export_hybrid(const StoredModel& stored, const std::filesystem::path& folder) {
  make_folder(folder);
  std::vector<NamedTensor> tensors;
  for (const ParameterPtr& parameter : stored.hybrid->parameters()) {
    if (parameter->group == "alpha") continue;  // realised values stand in config.json
    tensors.push_back({parameter->name, exported(parameter->value)});
  }
  // The exported code knows no shared tables: every component has its copy.
  for (const HybridPart& part : stored.hybrid->parts()) {
    const ParameterPtr table = part.component->embedding();
    if (table->same_as) tensors.push_back({table->name, table->same_as->value.to(DType::kFloat32)});
  }
  write_safetensors(folder / "model.safetensors", tensors);
  for (const auto& [name, text] : modeling_code()) atomic_write_file(folder / name, text);
  if (!stored.tokenizer.empty()) {
    atomic_copy_file(stored.tokenizer, folder / "tokenizer.json");
    atomic_write_file(folder / "tokenizer_config.json",
                      std::string("{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}\n"));
  }
  atomic_write_file(folder / "config.json", hybrid_config(stored).dump(1) + "\n");
}

}  // namespace

void export_model(const StoredModel& stored, const std::filesystem::path& folder,
                  ExportWeights weights) {
  if (stored.hybrid != nullptr) {
    if (weights != ExportWeights::kAsTrained) {
      fail_input("a hybrid's weights are exported as trained", "stage export, weights",
                 "its components can be exported packed, each by a stage of its own");
    }
    return export_hybrid(stored, folder);
  }
  const Component& component = stored.single->component();
  const auto tokenizer = stored.tokenizer.empty() ? std::nullopt : std::optional(stored.tokenizer);
  if (weights == ExportWeights::kAsTrained) return export_component(component, folder, tokenizer);
  const PackedForm form =
      weights == ExportWeights::kPacked ? PackedForm::kTwoBits : PackedForm::kFiveTrits;
  export_packed(component, form, folder, tokenizer);
}

}  // namespace peryton
