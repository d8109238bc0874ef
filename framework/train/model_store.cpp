// SPDX-License-Identifier: Apache-2.0
#include "framework/train/model_store.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/families/import.h"
#include "framework/hybrid/fresh_tables.h"
#include "framework/hybrid/hybrid_json.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

// Relative where the source lies in the same run, so that a run folder can be moved.
std::string portable(const fs::path& source, const fs::path& folder) {
  const fs::path run = fs::absolute(folder).parent_path().parent_path().parent_path();
  const fs::path relative = source.lexically_normal().lexically_relative(run);
  const bool inside = !relative.empty() && *relative.begin() != "..";
  return inside ? source.lexically_normal().lexically_relative(fs::absolute(folder)).string()
                : source.string();
}

void save_hybrid(const StoredModel& stored, const fs::path& folder) {
  std::vector<NamedTensor> tensors;
  for (const ParameterPtr& parameter : stored.hybrid->parameters()) {
    const bool own = parameter->group == "projectors" || parameter->group == "alpha";
    if (own || stored.changed.contains(parameter->name)) {
      tensors.push_back({parameter->name, parameter->value});
    }
  }
  write_safetensors(folder / "hybrid.safetensors", tensors);
  HybridDescription description = describe(*stored.hybrid);
  description.fresh_embeddings = stored.fresh_embeddings;
  description.shared_embeddings = stored.shared_embeddings;
  for (const HybridSource& source : stored.sources) {
    description.sources.push_back(
        {source.name, portable(source.folder, folder), source.content_hash});
  }
  atomic_write_file(folder / "hybrid.json", to_json(description).dump(1) + "\n");
}

// Values that will be overwritten with those of `overlay` stay as well.
Component::KeepValue keep_rule(const LoadOptions& options, const SafetensorsFile& overlay,
                               const std::string& component) {
  if (!options.pack_but) return nullptr;
  return [groups = *options.pack_but, &overlay,
          prefix = "components." + component + "."](const Parameter& parameter) {
    return std::ranges::find(groups, parameter.group) != groups.end() ||
           overlay.contains(prefix + parameter.name);
  };
}

std::shared_ptr<Component> load_part(const HybridDescription::Source& source,
                                     const fs::path& folder, const FamilyRegistry& registry,
                                     const HybridDescription& from, const ComponentLoad& load,
                                     StoredModel& stored) {
  const fs::path place = folder / source.folder;  // the latter alone where it is absolute
  LoadedComponent loaded = load_component(place, registry, load);
  if (loaded.content_hash != source.content_hash) {
    fail_input(fmt::format("component {} has changed since the hybrid was made", source.name),
               place.string(), "bring the original weights back, or run the stages again");
  }
  stored.sources.push_back(
      {source.name, fs::absolute(place).lexically_normal(), source.content_hash});
  if (from.fresh_embeddings) fill_fresh_table(*loaded.component, 0);
  return std::move(loaded.component);
}

HybridDescription read_description(const fs::path& folder) {
  const fs::path place = folder / "hybrid.json";
  return hybrid_description_from_json(nlohmann::json::parse(read_file(place)), place.string());
}

StoredModel load_hybrid(const fs::path& folder, const FamilyRegistry& registry,
                        const LoadOptions& options) {
  const HybridDescription description = read_description(folder);
  StoredModel stored;
  stored.fresh_embeddings = description.fresh_embeddings;
  stored.shared_embeddings = description.shared_embeddings;
  const SafetensorsFile file = SafetensorsFile::open(folder / "hybrid.safetensors");
  std::vector<HybridPart> parts;
  for (const auto& source : description.sources) {
    const ComponentLoad load{
        .dtype = options.dtype,
        .keep = keep_rule(options, file, source.name),
        .fresh_vocabulary = description.fresh_embeddings ? description.vocabulary : 0};
    parts.push_back({source.name, load_part(source, folder, registry, description, load, stored)});
    if (stored.shared_embeddings && parts.size() > 1) {
      share_table(*parts.back().component, *parts.front().component);
    }
  }
  HybridOptions hybrid_options = description.options(options.dtype);
  if (options.vocabulary > 0) hybrid_options.vocabulary = options.vocabulary;
  ArchitectureWeights alpha(AlphaParameterisation::kFixed, description.alpha, DType::kFloat32);
  auto model = std::make_shared<HybridModel>(std::move(parts), std::move(alpha), hybrid_options);

  for (const ParameterPtr& parameter : model->parameters()) {
    if (parameter->group == "alpha") continue;
    if (file.contains(parameter->name)) {
      parameter->value.copy_from(file.load(parameter->name));
      if (parameter->group != "projectors") stored.changed.insert(parameter->name);
    } else if (parameter->group == "projectors") {
      fail_input(fmt::format("{} is missing", parameter->name),
                 (folder / "hybrid.safetensors").string());
    }
  }
  stored.hybrid = model.get();
  stored.model = std::move(model);
  return stored;
}

}  // namespace

bool holds_hybrid(const fs::path& folder) { return fs::exists(folder / "hybrid.json"); }

std::vector<fs::path> component_folders(const fs::path& folder) {
  if (!holds_hybrid(folder)) return {folder};
  std::vector<fs::path> folders;
  for (const auto& source : read_description(folder).sources) {
    folders.push_back(folder / source.folder);
  }
  return folders;
}

void save_model(const StoredModel& stored, const fs::path& folder) {
  make_folder(folder);
  if (stored.single != nullptr) {
    export_component(stored.single->component(), folder,
                     stored.tokenizer.empty() ? std::nullopt : std::optional(stored.tokenizer));
    return;
  }
  if (!stored.tokenizer.empty()) atomic_copy_file(stored.tokenizer, folder / "tokenizer.json");
  save_hybrid(stored, folder);
}

void pack_frozen(const StoredModel& stored, bool saved_again) {
  stored.model->pack_frozen([&](const Parameter& parameter) {
    return saved_again && (stored.hybrid == nullptr || stored.changed.contains(parameter.name));
  });
}

StoredModel load_model(const fs::path& folder, const FamilyRegistry& registry,
                       const LoadOptions& options) {
  StoredModel stored;
  if (holds_hybrid(folder)) {
    stored = load_hybrid(folder, registry, options);
  } else {
    ComponentLoad load{.dtype = options.dtype};
    if (options.pack_but && options.pack_but->empty()) {
      load.keep = [](const Parameter&) { return false; };
    }
    LoadedComponent loaded = load_component(folder, registry, load);
    auto model = std::make_shared<SingleModel>(std::move(loaded.component), options.vocabulary);
    stored.single = model.get();
    stored.model = std::move(model);
    if (loaded.tokenizer) stored.tokenizer = *loaded.tokenizer;
  }
  if (stored.tokenizer.empty() && fs::exists(folder / "tokenizer.json")) {
    stored.tokenizer = folder / "tokenizer.json";
  }
  return stored;
}

}  // namespace peryton
