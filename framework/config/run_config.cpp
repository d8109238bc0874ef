// SPDX-License-Identifier: Apache-2.0
#include "framework/config/run_config.h"

#include <fstream>
#include <iterator>

#include "framework/config/reader.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

const std::map<std::string, std::string>& keys_of_sections() {
  static const std::map<std::string, std::string> table = {
      {"name", "under 'run'"},           {"seed", "under 'run'"},
      {"folder", "under 'run'"},         {"sources", "under 'data'"},
      {"split", "under 'data'"},         {"tokenizer", "under 'data'"},
      {"segments", "under 'hybrid'"},    {"gate", "under 'hybrid'"},
      {"embeddings", "under 'hybrid'"},  {"projectors", "under 'hybrid'"},
      {"lr", "under 'train'"},           {"sequence", "under 'train'"},
      {"global_batch", "under 'train'"}, {"precision", "under 'train'"},
      {"threads", "under 'parallel'"},   {"tensor", "under 'parallel'"},
      {"component", "under 'parallel'"}};
  return table;
}

RunConfig read_all(const YamlPtr& document, const std::string& name) {
  if (document->kind != YamlValue::Kind::kMap) {
    fail_input(
        "a pipeline is a map of the sections run, data, components, hybrid, parallel, train, "
        "stages and report",
        document->where.empty() ? name : document->where);
  }
  Mistakes mistakes;
  const Node root(document, "", mistakes);
  RunConfig config;
  read_run(root.section("run"), config.run);
  read_components(root.section("components"), config.components);
  read_data(root.section("data"), config.components, config.data);
  read_hybrid(root.section("hybrid"), config.components, config.hybrid);
  read_parallel(root.section("parallel"), config.parallel);
  const Node train = root.section("train");
  read_train(train, config.train);
  train.finish();
  const Node report = root.section("report");
  report.text("title", config.report.title);
  report.finish();
  const std::vector<WrittenStage> written = read_stages(root.at("stages"), config.train);
  root.finish(keys_of_sections());
  if (config.components.empty())
    root.mistake("there are no 'components'", "name at least one model");
  mistakes.throw_if_any();  // what follows looks at sections together, and would only repeat
  link_stages(written, root, config);
  mistakes.throw_if_any();
  check_config(root, written, config);
  mistakes.throw_if_any();
  config.data.seed = config.run.seed;
  return config;
}

}  // namespace

const ComponentConfig& RunConfig::component(const std::string& name) const {
  for (const ComponentConfig& component : components) {
    if (component.name == name) return component;
  }
  PERYTON_CHECK(false, "no component '{}'", name);
}

const StageConfig& RunConfig::stage(const std::string& name) const {
  for (const StageConfig& stage : stages) {
    if (stage.name == name) return stage;
  }
  PERYTON_CHECK(false, "no stage '{}'", name);
}

RunConfig parse_run_config(const std::string& text, const std::string& name,
                           const std::vector<std::string>& overrides) {
  const YamlPtr document = parse_yaml(text, name);
  for (const std::string& assignment : overrides) apply_override(*document, assignment);
  return read_all(document, name);
}

RunConfig read_run_config(const std::filesystem::path& file,
                          const std::vector<std::string>& overrides) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream || std::filesystem::is_directory(file)) {
    fail_input("cannot read the file", file.string(), "`peryton run` wants a YAML file");
  }
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  return parse_run_config(text, file.string(), overrides);
}

}  // namespace peryton
