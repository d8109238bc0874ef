// peryton score: logits and mean loss of a model on given ids, to compare with its reference
// elsewhere.
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/json_text.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/train/model_store.h"
#include "launch/cli/arguments.h"
#include "launch/cli/run_model.h"
#include "launch/executors/executor.h"
#include "launch/pipeline/records.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

// [B, T] int32 from a JSON list of equally long lists.
Tensor read_ids(const fs::path& file, std::int64_t vocabulary) {
  const nlohmann::json json = parse_json(read_file(file), file.string());
  const auto fail = [&](const std::string& what) {
    fail_input(what, file.string(),
               "write a list of equally long lists of ids: [[1, 2, 3], [4, 5, 6]]");
  };
  if (!json.is_array() || json.empty() || !json.front().is_array())
    fail("this is no list of lists");
  const std::size_t length = json.front().size();
  std::vector<std::int32_t> ids;
  for (const nlohmann::json& row : json) {
    if (!row.is_array() || row.size() != length || length == 0)
      fail("the lists are not equally long");
    for (const nlohmann::json& id : row) {
      if (!id.is_number_integer()) fail(fmt::format("{} is no id", id.dump()));
      const auto value = id.get<std::int64_t>();
      if (value < 0 || value >= vocabulary) {
        fail(fmt::format("id {} is outside the vocabulary of {}", value, vocabulary));
      }
      ids.push_back(static_cast<std::int32_t>(value));
    }
  }
  return Tensor::from_values<std::int32_t>(
      {static_cast<std::int64_t>(json.size()), static_cast<std::int64_t>(length)}, ids);
}

// Each position predicts the next id of its row; the last one predicts nothing.
Tensor next_ids(const Tensor& ids) {
  const Tensor targets = Tensor::full(DType::kInt32, ids.shape(), -1);
  const std::int64_t length = ids.size(1);
  for (std::int64_t i = 0; i < ids.elements(); ++i) {
    if (i % length + 1 < length) {
      targets.data<std::int32_t>()[i] = ids.data<std::int32_t>()[i + 1];
    }
  }
  return targets;
}

fs::path model_folder(const fs::path& given) {
  if (!fs::exists(given / "config.resolved.yaml")) return given;
  const RunConfig config = open_run(given);
  return stages_folder(config.run.folder) / verdict_model(config) / "model";
}

double mean_loss(LanguageModel& model, const Tensor& ids, const kernels::Context& context) {
  Tape tape(context, Tape::Mode::kInference);
  LossRequest request;
  request.batch.ids = ids;
  request.targets = next_ids(ids);
  const std::int64_t targets = ids.size(0) * (ids.size(1) - 1);
  request.scale = targets > 0 ? 1.0 / static_cast<double>(targets) : 0.0;
  return model.loss(tape, request).loss.value().item();
}

}  // namespace

int score_command(const std::vector<std::string>& arguments) {
  ArgumentSpec spec{"peryton score MODEL --ids ids.json [--logits out.safetensors]",
                    options::options_description("options"),
                    {{"model", 1}}};
  spec.described.add_options()("ids", options::value<std::string>(),
                               "a JSON list of equally long lists of token ids")(
      "logits", options::value<std::string>(), "where to write logits [batch, length, vocabulary]");
  const auto values = parse_arguments(arguments, spec);
  if (!values) return 0;
  if (values->count("ids") == 0) fail_input("--ids is missing", "", "--help tells how");

  const FamilyRegistry registry = all_families();
  const StoredModel stored =
      load_model(model_folder(required(*values, "model", "the model")), registry, only_read());
  pack_frozen(stored, /*saved_again=*/false);
  const Tensor ids = read_ids((*values)["ids"].as<std::string>(), stored.model->vocabulary());
  const kernels::Context context{.device = {}, .threads = this_machine().cores};
  nlohmann::ordered_json result;
  result["loss"] = mean_loss(*stored.model, ids, context);
  result["tokens"] = ids.elements();
  if (values->count("logits") != 0) {
    Tape tape(context, Tape::Mode::kInference);
    TokenBatch batch;
    batch.ids = ids;
    const std::vector<NamedTensor> tensors{{"logits", stored.model->logits(tape, batch)}};
    write_safetensors((*values)["logits"].as<std::string>(), tensors);
  }
  std::printf("%s\n", result.dump().c_str());
  return 0;
}

}  // namespace peryton
