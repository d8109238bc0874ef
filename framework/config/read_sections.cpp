// The sections run, components, hybrid (with α) and parallel.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include "framework/config/reader.h"

namespace peryton {
namespace {

// Names become folders and tensor names.
bool is_plain_name(const std::string& name) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; };
  return !name.empty() && std::all_of(name.begin(), name.end(), plain);
}

// A folder becomes absolute; what is not one stays as it is: a hub id such as
// "state-spaces/mamba2-130m".
std::string place_of_model(const std::string& from) {
  if (from.empty()) return from;
  const std::filesystem::path path = std::filesystem::absolute(from).lexically_normal();
  std::error_code error;
  const bool is_path = from.front() == '/' || from.front() == '.' || from.back() == '/';
  if (!is_path && !std::filesystem::exists(path, error)) return from;
  return path.has_filename() ? path.string() : path.parent_path().string();
}

void read_component(const Node& node, ComponentConfig& component) {
  node.text("from", component.from);
  component.from = place_of_model(component.from);
  node.text("family", component.family);
  node.text("tokenizer", component.tokenizer);
  if (component.from.empty() == component.family.empty()) {
    node.mistake("'" + node.path() + "' needs either 'from' (a pretrained model) or 'family'",
                 "for example {from: pythia-160m/} or {family: gpt_neox, width: 192, layers: 4}");
    return;
  }
  if (component.pretrained()) {
    node.finish(
        {{"width", "to a component with 'family'"}, {"layers", "to a component with 'family'"}});
    return;
  }
  for (const auto& [key, value] : node.pairs()) {  // checked by the family
    if (key != "family" && key != "tokenizer") component.settings[key] = to_json(*value.value());
  }
}

void read_alpha_values(const Node& node, std::vector<std::vector<double>>& values) {
  if (!node.is_list()) {
    node.mistake("'" + node.path() + "' must be a list",
                 "one row per segment [[0.5, 0.5], [1, 0]], or one row for all [0.5, 0.5]");
    return;
  }
  const auto read_row = [&](const Node& list) {
    std::vector<double> row;
    for (const Node& item : list.items()) {
      row.push_back(0);
      if (!item.to_number(row.back(), 0.0, 1.0)) return;
    }
    values.push_back(row);
  };
  const std::vector<Node> items = node.items();
  const bool one_row = !items.empty() && items.front().is_text();
  if (one_row) return read_row(node);
  for (const Node& item : items) {
    if (!item.is_list()) {
      item.mistake("'" + item.path() + "' must be a list of numbers");
      return;
    }
    read_row(item);
  }
}

void read_projectors(const Node& map, HybridConfig& hybrid) {
  const Node node = map.at("projectors");
  if (!node) return;
  if (!node.is_map()) {
    map.choice("projectors", hybrid.projectors);
    return;
  }
  node.choice("variant", hybrid.projectors);
  node.choice("init", hybrid.projector_init);
  node.finish();
}

std::vector<std::string> names_of_components(const std::vector<ComponentConfig>& components) {
  std::vector<std::string> names;
  for (const ComponentConfig& component : components) names.push_back(component.name);
  return names;
}

void check_hybrid_components(const Node& map, const std::vector<std::string>& known,
                             const HybridConfig& hybrid) {
  const Node node = map.at("components");
  const Node& place = node ? node : map;
  for (std::size_t i = 0; i < hybrid.components.size(); ++i) {
    const std::string& name = hybrid.components[i];
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      place.mistake("the hybrid names an unknown component '" + name + "'", suggest(name, known));
    }
    if (std::count(hybrid.components.begin(), hybrid.components.begin() + i, name) > 0) {
      place.mistake("the hybrid names the component '" + name + "' twice");
    }
  }
  if (hybrid.components.size() < 2) {
    place.mistake("a hybrid needs at least two components, here is " +
                      std::to_string(hybrid.components.size()),
                  "add one under 'components', or leave the section 'hybrid' out");
  }
}

}  // namespace

void read_run(const Node& map, RunSettings& run) {
  map.text("name", run.name);
  std::int64_t seed = 0;
  map.count("seed", seed, 0);
  run.seed = static_cast<std::uint64_t>(seed);
  std::string folder;
  map.text("folder", folder);
  if (run.name.empty() && !folder.empty()) run.name = std::filesystem::path(folder).filename();
  if (!is_plain_name(run.name)) {
    const Node name = map.at("name");
    (name ? name : map)
        .mistake("'run.name' must be letters, digits, - and _, not '" + run.name + "'",
                 "write run: {name: my-run}");
  }
  run.folder =
      std::filesystem::absolute(folder.empty() ? "runs/" + run.name : folder).lexically_normal();
  map.finish();
}

void read_components(const Node& map, std::vector<ComponentConfig>& components) {
  for (const auto& [name, node] : map.pairs()) {
    ComponentConfig component;
    component.name = name;
    component.where = node.where();
    if (!is_plain_name(name) || name == kHybridModel) {
      node.mistake("a component cannot be called '" + name + "'",
                   "use letters, digits, - and _; 'hybrid' is taken");
    }
    if (node.is_map()) {
      read_component(node, component);
    } else {
      node.mistake("'" + node.path() + "' must be a map of keys",
                   "for example {from: pythia-160m/}");
    }
    components.push_back(component);
  }
  const std::vector<std::string> names = names_of_components(components);
  for (const ComponentConfig& component : components) {
    const std::string& other = component.tokenizer;
    if (other.empty() || std::find(names.begin(), names.end(), other) != names.end()) continue;
    map.at(component.name)
        .at("tokenizer")
        .mistake(
            "the tokenizer of '" + component.name + "' names an unknown component '" + other + "'",
            suggest(other, names));
  }
}

void read_alpha(const Node& map, AlphaConfig& alpha) {
  map.choice("method", alpha.method);
  map.number("lr", alpha.lr, 0.0, 100.0);
  map.number("temperature", alpha.temperature, 1e-6, 1e6);
  if (const Node values = map.at("values")) {
    alpha.values.clear();
    alpha.uniform = false;
    read_alpha_values(values, alpha.values);
  }
  map.flag("uniform", alpha.uniform);
  if (alpha.uniform && !alpha.values.empty()) {
    map.at("uniform").mistake("α is either uniform or has values", "remove one of the two keys");
  }
  map.finish();
}

void read_hybrid(const Node& map, const std::vector<ComponentConfig>& components,
                 HybridConfig& hybrid) {
  if (!map) return;
  const std::vector<std::string> known = names_of_components(components);
  hybrid.components = known;
  map.texts("components", hybrid.components);
  check_hybrid_components(map, known, hybrid);
  map.count("segments", hybrid.segments, 1, 1024);
  map.count("width", hybrid.width, 0, 1 << 20);
  map.choice("gate", hybrid.gate);
  map.choice("embeddings", hybrid.embeddings);
  map.choice("fidelity", hybrid.fidelity);
  read_projectors(map, hybrid);
  if (const Node alpha = map.section("alpha")) read_alpha(alpha, hybrid.alpha);
  map.finish();
}

void read_parallel(const Node& map, ParallelConfig& parallel) {
  map.count("data", parallel.data, 1, 1 << 20);
  map.count("component", parallel.component, 1, 1 << 20);
  map.count("tensor", parallel.tensor, 1, 1 << 20);
  map.count("threads", parallel.threads, 0, 4096);
  map.finish();
}

}  // namespace peryton
