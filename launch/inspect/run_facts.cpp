// SPDX-License-Identifier: Apache-2.0
#include "launch/inspect/run_facts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "framework/checkpoint/checkpoint.h"
#include "framework/checkpoint/json_text.h"
#include "launch/inspect/model_facts.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string model_text(const fs::path& folder, const FamilyRegistry& registry) {
  if (is_hybrid_folder(folder)) return hybrid_text(folder);
  return to_text(model_facts(folder, registry));
}

std::string indented(const std::string& text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1);
    result += "  " + text.substr(at, end + 1 - at);
    at = end + 1;
  }
  return result;
}

}  // namespace

bool is_run_folder(const fs::path& folder) { return fs::is_directory(folder / "stages"); }

bool is_hybrid_folder(const fs::path& folder) { return fs::exists(folder / "hybrid.json"); }

bool is_checkpoint_folder(const fs::path& folder) {
  return fs::exists(folder / "manifest.json") && fs::exists(folder / "state.json");
}

std::string checkpoint_text(const fs::path& folder) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  std::int64_t elements = 0, bytes = 0;
  for (const std::string& name : checkpoint.names()) {
    elements += checkpoint.info(name).elements();
    bytes += checkpoint.info(name).bytes();
  }
  const auto metric = checkpoint.metric();
  return fmt::format(
      "{}\n  checkpoint  step {}, {}\n  tensors     {} of {} values ({:.1f} MB), checksums are "
      "right\n",
      folder.string(), checkpoint.step(),
      metric ? fmt::format("metric {:.6g}", *metric) : "no metric", checkpoint.names().size(),
      elements, static_cast<double>(bytes) / 1e6);
}

std::string hybrid_text(const fs::path& folder) {
  const fs::path file = folder / "hybrid.json";
  const json hybrid = read_json_file(file);
  try {
    std::string text = folder.string() + "\n";
    const json& alpha = hybrid.at("alpha");
    text += fmt::format("  hybrid      {} segments, width {}, vocabulary {}, gate {}\n",
                        alpha.size(), hybrid.at("width").get<std::int64_t>(),
                        hybrid.at("vocabulary").get<std::int64_t>(),
                        hybrid.at("gate").get<std::string>());
    for (const json& part : hybrid.at("components")) {
      text += fmt::format("  component   {} from {}\n", part.at("name").get<std::string>(),
                          part.at("folder").get<std::string>());
    }
    for (std::size_t segment = 0; segment < alpha.size(); ++segment) {
      text += fmt::format("  alpha {:<6}", segment);
      for (const json& weight : alpha[segment])
        text += fmt::format("{:.3f} ", weight.get<double>());
      text.back() = '\n';
    }
    return text;
  } catch (const json::exception& error) {
    fail_input(fmt::format("is not a hybrid: {}", error.what()), file.string());
  }
}

std::string run_text(const fs::path& folder, const FamilyRegistry& registry) {
  std::vector<fs::path> stages;
  for (const auto& entry : fs::directory_iterator(folder / "stages")) {
    if (entry.is_directory()) stages.push_back(entry.path());
  }
  std::ranges::sort(stages);
  std::string text = fmt::format("run {}\n", folder.string());
  for (const fs::path& stage : stages) {
    text += fmt::format("stage {}\n", stage.filename().string());
    if (!fs::is_directory(stage / "model")) {
      text += "  no model\n";
      continue;
    }
    try {
      text += indented(model_text(stage / "model", registry));
    } catch (const Error& error) {
      text += fmt::format("  cannot be read: {}\n", error.what());
    }
  }
  return text;
}

}  // namespace peryton
