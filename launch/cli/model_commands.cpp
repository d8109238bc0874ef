// peryton evaluate, generate and export: one more stage on the models of a finished run, in this
// process, outside the run's own stages.
// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "framework/comm/communicator.h"
#include "framework/config/config_json.h"
#include "framework/core/error.h"
#include "framework/train/stage.h"
#include "launch/cli/arguments.h"
#include "launch/cli/run_commands.h"
#include "launch/cli/run_model.h"
#include "launch/executors/executor.h"
#include "launch/pipeline/records.h"
#include "launch/report/run_files.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStageName = "on-request";

// A folder for the stage that goes away with it.
class ScratchFolder {
 public:
  ScratchFolder() : path_(fs::temp_directory_path() / ("peryton-" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

RunConfig run_of(const options::variables_map& values) {
  return open_run(required(values, "run", "the run folder"));
}

// The stage whose model the command is about: --model, else what the verdict is about.
std::string model_of(const RunConfig& config, const options::variables_map& values) {
  return values.count("model") != 0 ? values["model"].as<std::string>() : verdict_model(config);
}

// The run's configuration with one more stage, linked like any other.
RunConfig with_stage(const RunConfig& config, OrderedJson stage) {
  OrderedJson json = to_json(config);
  stage["name"] = kStageName;
  json["stages"].push_back(stage);
  json["parallel"] = {{"data", 1}};
  RunConfig extended = parse_run_config(yaml_text(json), "config.resolved.yaml");
  extended.run.folder = config.run.folder;
  return extended;
}

StageResult run_stage(const RunConfig& config, const fs::path& folder) {
  const StageConfig& stage = config.stage(kStageName);
  std::map<std::string, fs::path> inputs;
  for (const std::string& name : stage.needs) {
    inputs[name] = stages_folder(config.run.folder) / name;
    if (!read_stage_manifest(inputs[name])) {
      fail_input("the stage '" + name + "' is not done", config.run.folder.string(),
                 "`peryton status` tells how far the run is");
    }
  }
  const auto world = self_communicator();
  const std::atomic<bool> stop = false;
  StageContext context{.config = config,
                       .stage = stage,
                       .run_folder = config.run.folder,
                       .stage_folder = folder,
                       .inputs = inputs,
                       .world = *world,
                       .stop = stop,
                       .threads = this_machine().cores,
                       .is_terminal = false};
  return all_stages().run(context);
}

ArgumentSpec spec_of(const std::string& usage) {
  ArgumentSpec spec{usage, options::options_description("options"), {{"run", 1}}};
  spec.described.add_options()("model", options::value<std::string>(),
                               "stage or component; default: the one that the verdict is about");
  return spec;
}

}  // namespace

int evaluate_command(const std::vector<std::string>& arguments) {
  ArgumentSpec spec = spec_of("peryton evaluate RUN_FOLDER [--model STAGE] [--split test]");
  spec.described.add_options()("split", options::value<std::string>()->default_value("test"),
                               "train, validation or test");
  const auto values = parse_arguments(arguments, spec);
  if (!values) return 0;
  const RunConfig run = run_of(*values);
  const RunConfig config = with_stage(run, {{"kind", "evaluate"},
                                            {"models", {model_of(run, *values)}},
                                            {"split", (*values)["split"].as<std::string>()}});
  const ScratchFolder folder;
  run_stage(config, folder.path());
  std::printf("%s\n", read_json_or_null(folder.path() / "evaluation.json").dump(2).c_str());
  return 0;
}

int generate_command(const std::vector<std::string>& arguments) {
  ArgumentSpec spec = spec_of("peryton generate RUN_FOLDER --prompt TEXT [options]");
  spec.described.add_options()("prompt", options::value<std::vector<std::string>>(),
                               "text to go on with; may be repeated")(
      "length", options::value<std::int64_t>()->default_value(64), "new tokens")(
      "temperature", options::value<double>()->default_value(0.0), "0: always the likeliest token")(
      "top-k", options::value<std::int64_t>()->default_value(0), "among the k likeliest; 0: all")(
      "top-p", options::value<double>()->default_value(1.0),
      "among the likeliest that hold this share");
  const auto values = parse_arguments(arguments, spec);
  if (!values) return 0;
  if (values->count("prompt") == 0) fail_input("--prompt is missing", "", "--help tells how");
  const RunConfig run = run_of(*values);
  const RunConfig config =
      with_stage(run, {{"kind", "generate"},
                       {"models", {model_of(run, *values)}},
                       {"prompts", (*values)["prompt"].as<std::vector<std::string>>()},
                       {"length", (*values)["length"].as<std::int64_t>()},
                       {"temperature", (*values)["temperature"].as<double>()},
                       {"top_k", (*values)["top-k"].as<std::int64_t>()},
                       {"top_p", (*values)["top-p"].as<double>()}});
  const ScratchFolder folder;
  run_stage(config, folder.path());
  for (const Json& sample : read_json_or_null(folder.path() / "samples.json")) {
    std::printf("%s%s\n", text_of(sample, "prompt").c_str(), text_of(sample, "text").c_str());
  }
  return 0;
}

int export_command(const std::vector<std::string>& arguments) {
  ArgumentSpec spec = spec_of("peryton export RUN_FOLDER --to DIR [--model STAGE]");
  spec.described.add_options()("to", options::value<std::string>(), "folder to write")(
      "weights", options::value<std::string>()->default_value("as_trained"),
      "of ternary models: as_trained; packed, as transformers reads them; or compact, five to a "
      "byte, for Peryton alone");
  const auto values = parse_arguments(arguments, spec);
  if (!values) return 0;
  if (values->count("to") == 0) fail_input("--to is missing", "", "--help tells how");
  const fs::path to = fs::absolute((*values)["to"].as<std::string>()).lexically_normal();
  const RunConfig run = run_of(*values);
  const std::string name = model_of(run, *values);
  OrderedJson stage = {{"kind", "export"},
                       {"model", name},
                       {"to", to.string()},
                       {"weights", (*values)["weights"].as<std::string>()}};
  for (const StageConfig& made : run.stages) {
    if (made.name != name) continue;
    stage["model"] = made.model;
    stage["after"] = name;
  }
  const RunConfig config = with_stage(run, stage);
  const ScratchFolder folder;
  run_stage(config, folder.path());
  std::printf("written to %s\n", to.c_str());
  return 0;
}

}  // namespace peryton
