// SPDX-License-Identifier: Apache-2.0
#include "framework/train/stage.h"

#include <fstream>
#include <limits>

#include "framework/comm/communicator.h"
#include "framework/config/enum_names.h"
#include "framework/core/error.h"

namespace peryton {

bool asked_to_stop(const StageContext& context) {
  return context.world.max(std::int64_t{context.stop.load()}) != 0;
}

nlohmann::json to_json(const StageResult& result) {
  return {{"status", result.status == StageStatus::kDone ? "done" : "stopped"},
          {"steps", result.steps},
          {"tokens", result.tokens},
          {"flops", result.flops},
          {"seconds", result.seconds},
          {"final_loss", result.final_loss},
          {"best_loss", result.best_loss},
          {"peak_memory_bytes", result.peak_memory_bytes},
          {"resumed_from", result.resumed_from},
          {"outputs", result.outputs},
          {"extra", result.extra}};
}

StageResult stage_result_from_json(const nlohmann::json& json) {
  const auto number = [&](const char* key) {  // what is not finite is null in JSON
    const nlohmann::json& value = json.at(key);
    return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
  };
  StageResult result;
  result.status = json.at("status") == "done" ? StageStatus::kDone : StageStatus::kStopped;
  result.steps = json.at("steps");
  result.tokens = json.at("tokens");
  result.flops = number("flops");
  result.seconds = number("seconds");
  result.final_loss = number("final_loss");
  result.best_loss = number("best_loss");
  result.peak_memory_bytes = json.at("peak_memory_bytes");
  result.resumed_from = json.at("resumed_from");
  result.outputs = json.at("outputs").get<std::vector<std::string>>();
  result.extra = json.at("extra");
  return result;
}

StageResult read_stage_result(const std::filesystem::path& stage_folder) {
  const std::filesystem::path file = stage_folder / "result.json";
  std::ifstream stream(file);
  if (!stream) fail_system("cannot read the result of an earlier stage", file.string());
  try {
    return stage_result_from_json(nlohmann::json::parse(stream));
  } catch (const nlohmann::json::exception& error) {
    fail_system(std::string("the result of an earlier stage is damaged: ") + error.what(),
                file.string());
  }
}

void StageTable::add(StageKind kind, StageFunction body) {
  PERYTON_CHECK(body != nullptr && !has(kind), "stage kind {}", name_of(kind));
  bodies_[kind] = std::move(body);
}

StageResult StageTable::run(StageContext& context) const {
  const auto body = bodies_.find(context.stage.kind);
  PERYTON_CHECK(body != bodies_.end(), "this build has no stage of kind {}",
                name_of(context.stage.kind));
  return body->second(context);
}

}  // namespace peryton
