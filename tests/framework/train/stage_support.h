// Runs the stages of a pipeline one by one in this process, in a folder that goes with the test.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include "framework/comm/communicator.h"
#include "framework/core/error.h"
#include "framework/families/import.h"
#include "framework/train/stage.h"

namespace peryton::test {

class StageRunner {
 public:
  explicit StageRunner(const std::string& name)
      : folder_(std::filesystem::temp_directory_path() /
                ("peryton-" + name + "-" + std::to_string(::getpid()))),
        stages_(all_stages()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~StageRunner() { std::filesystem::remove_all(folder_); }

  const std::filesystem::path& folder() const { return folder_; }

  // A fresh model of the family in folder()/name, and that folder.
  std::filesystem::path component(const std::string& name, const std::string& family,
                                  const nlohmann::json& settings, std::uint64_t seed) const {
    const FamilyRegistry registry = all_families();
    const Family& of = registry.by_name(family);
    const auto made = of.create(of.config_from_settings(settings, "test"), "test", DType::kFloat32);
    of.initialise(*made, seed);
    export_component(*made, folder_ / name, std::nullopt);
    return folder_ / name;
  }

  // Runs one stage of `config` in folder()/run; results of earlier ones are read from there.
  // `stop`: asked for before the first step, so that it ends after one.
  StageResult run(const RunConfig& config, const std::string& stage, const std::string& run,
                  Communicator& world, bool stop = false) const {
    const StageConfig& of = config.stage(stage);
    std::map<std::string, std::filesystem::path> inputs;
    for (const std::string& need : of.needs) inputs[need] = folder_ / run / need;
    const std::atomic<bool> asked = stop;
    const std::filesystem::path place = folder_ / run / stage;
    if (world.rank() == 0) std::filesystem::create_directories(place);
    world.barrier();
    StageContext context{.config = config,
                         .stage = of,
                         .run_folder = folder_ / run,
                         .stage_folder = place,
                         .inputs = inputs,
                         .world = world,
                         .stop = asked};
    const StageResult result = stages_.run(context);
    if (world.rank() == 0) std::ofstream(place / "result.json") << to_json(result).dump();
    world.barrier();
    return result;
  }

 private:
  std::filesystem::path folder_;
  StageTable stages_;
};

}  // namespace peryton::test
