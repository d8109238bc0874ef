// Our side of compare_pytorch.py: builds a model from the script's folder, writes the gradients of
// one batch, then does what it is told, line by line, and answers in JSON.
//
//   step_benchmark hybrid CONFIG --start FILE --batch FILE --gradients FILE --threads N [--set a=b]
//                  [--text FILE]: steps read on in its bytes, not one batch again and again
//   step_benchmark block COMPONENT --batch FILE --gradients FILE --threads N
//
// First answer: {loss, flops}. Commands: `step` -> {seconds, loss}; `memory` -> {peak};
// `machine` -> {multiply_adds}, GFLOP/s of one core at most, measured.
// SPDX-License-Identifier: Apache-2.0
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/comm/world.h"
#include "framework/families/flops.h"
#include "framework/families/import.h"
#include "framework/ops/arithmetic.h"
#include "framework/optim/adamw.h"
#include "framework/train/machine.h"
#include "framework/train/model_builder.h"
#include "framework/train/optimiser_settings.h"
#include "framework/train/precision.h"
#include "kernels/common/isa.h"
#include "tests/perf/kernels/peaks.h"

namespace peryton {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string mode, model;
  std::map<std::string, std::string> options;
  std::vector<std::string> overrides;

  Arguments(int argc, char** argv) {
    if (argc < 3) fail_input("step_benchmark hybrid|block MODEL OPTIONS", "");
    mode = argv[1], model = argv[2];
    for (int i = 3; i + 1 < argc; i += 2) {
      if (std::string(argv[i]) == "--set") {
        overrides.emplace_back(argv[i + 1]);
      } else {
        options[argv[i]] = argv[i + 1];
      }
    }
  }
  const std::string& at(const std::string& name) const {
    const auto found = options.find(name);
    if (found == options.end()) fail_input(name + " is missing", "");
    return found->second;
  }
};

// What is timed: gradients of one batch, and whatever else belongs to a step.
class Work {
 public:
  virtual ~Work() = default;
  virtual double gradients() = 0;  // returns the loss
  virtual void update() {}
  virtual std::vector<NamedTensor> named_gradients() const = 0;
  virtual double flops() const = 0;
};

// A search step of the hybrid: forward, backward, AdamW.
class HybridStep final : public Work {
 public:
  HybridStep(const Arguments& arguments, const StageContext& context, StoredModel stored, bool dots)
      : model_(std::move(stored)),
        context_{.device = {}, .threads = context.threads, .bf16_dots = dots} {
    freeze_for_stage(context, model_);
    const SafetensorsFile start = SafetensorsFile::open(arguments.at("--start"));
    for (const ParameterPtr& parameter : model_.model->parameters()) {
      if (start.contains(parameter->name)) {
        parameter->value.copy_from(start.load(parameter->name));
      } else if (parameter->trainable && parameter->group != "components" &&
                 parameter->group != "norms") {
        fail_input(parameter->name + " is not there", arguments.at("--start"));
      }
    }
    arena_ = std::make_unique<TrainableArena>(model_.model->parameters());
    optimiser_ = std::make_unique<AdamW>(*arena_, optimiser_settings(context.stage, 1 << 20));
    const SafetensorsFile batch = SafetensorsFile::open(arguments.at("--batch"));
    request_.batch.ids = batch.load("ids");
    request_.targets = batch.load("targets");
    if (arguments.options.contains("--text")) {
      text_ = read_file(arguments.at("--text"));
      rows_ = context.stage.settings.global_batch;
      length_ = context.stage.settings.sequence;
      read_on();
    }
    request_.scale = 1.0 / static_cast<double>(request_.targets.elements());
    request_.recompute = context.stage.settings.recompute;
    flops_ = model_.model->forward_flops_per_token(request_.batch.length()).training() *
             static_cast<double>(request_.targets.elements());
  }
  double gradients() override {
    Tape tape(context_);
    request_.step = step_;
    const HeadLoss result = model_.model->loss(tape, request_);
    tape.backward(result.loss);
    return result.loss.value().item();
  }
  void update() override {
    optimiser_->step(step_++, context_);
    if (!text_.empty()) read_on();
  }
  std::vector<NamedTensor> named_gradients() const override {
    std::vector<NamedTensor> list;
    for (const ArenaSlot& slot : arena_->slots()) {
      list.push_back({slot.parameter->name, slot.parameter->gradient});
    }
    return list;
  }
  double flops() const override { return flops_; }

 private:
  // The next rows of the text, a token a byte.
  void read_on() {
    const std::int64_t size = rows_ * length_;
    if (at_ + size >= static_cast<std::int64_t>(text_.size())) at_ = 0;
    request_.batch.ids = Tensor::empty(DType::kInt32, {rows_, length_});
    request_.targets = Tensor::empty(DType::kInt32, {rows_, length_});
    for (std::int64_t i = 0; i < size; ++i) {
      const auto byte = [&](std::int64_t at) {
        return static_cast<unsigned char>(text_.at(static_cast<std::size_t>(at_ + at)));
      };
      request_.batch.ids.data<std::int32_t>()[i] = byte(i);
      request_.targets.data<std::int32_t>()[i] = byte(i + 1);
    }
    at_ += size;
  }

  StoredModel model_;
  kernels::Context context_;
  LossRequest request_;
  std::string text_;
  std::int64_t rows_ = 0, length_ = 0, at_ = 0;
  std::unique_ptr<TrainableArena> arena_;
  std::unique_ptr<AdamW> optimiser_;
  std::int64_t step_ = 0;
  double flops_ = 0;
};

// The first block of a component with every gradient, from sum(weights * block(hidden)).
class BlockStep final : public Work {
 public:
  BlockStep(const Arguments& arguments, const FamilyRegistry& registry)
      : component_(load_component(arguments.model, registry, DType::kFloat32).component),
        context_{.device = {}, .threads = std::stoi(arguments.at("--threads"))} {
    const SafetensorsFile batch = SafetensorsFile::open(arguments.at("--batch"));
    hidden_ = batch.load("hidden");
    weights_ = batch.load("weights");
    batch_.ids = Tensor::zeros(DType::kInt32, {hidden_.size(0), hidden_.size(1)});
    for (const ParameterPtr& parameter : component_->parameters()) {
      if (parameter->name.find(".layers.0.") == std::string::npos) continue;
      parameter->trainable = true;
      parameter->gradient = Tensor::zeros(DType::kFloat32, parameter->value.shape());
      trained_.push_back(parameter);
    }
  }
  double gradients() override {
    for (const ParameterPtr& parameter : trained_) parameter->gradient.fill(0);
    Tape tape(context_);
    const Variable x = tape.input(hidden_);
    const Variable y = component_->run({tape, batch_, nullptr}, 0, 1, x);
    const Variable loss = projection(tape, y, weights_);
    tape.backward(loss);
    d_hidden_ = x.gradient();
    return loss.value().item();
  }
  std::vector<NamedTensor> named_gradients() const override {
    std::vector<NamedTensor> list{{"hidden", d_hidden_}};
    for (const ParameterPtr& parameter : trained_) {
      list.push_back({parameter->name, parameter->gradient});
    }
    return list;
  }
  double flops() const override {
    return block_flops_per_token(*component_, 0, 1, batch_.length()).training() *
           static_cast<double>(batch_.ids.elements());
  }

 private:
  std::unique_ptr<Component> component_;
  kernels::Context context_;
  TokenBatch batch_;
  Tensor hidden_, weights_, d_hidden_;
  std::vector<ParameterPtr> trained_;
};

void answer(const nlohmann::json& json) { std::cout << json.dump() << std::endl; }

void serve(Work& work, const std::string& gradients_file) {
  const double loss = work.gradients();
  write_safetensors(gradients_file, work.named_gradients());
  work.update();
  answer({{"loss", loss}, {"flops", work.flops()}});
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "memory") {
      answer({{"peak", peak_resident_bytes()}});
      continue;
    }
    if (line == "machine") {
      answer({{"multiply_adds", perf::fma_peak()}});
      continue;
    }
    const auto start = Clock::now();
    const double step_loss = work.gradients();
    work.update();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    answer({{"seconds", seconds}, {"loss", step_loss}});
  }
}

void run_hybrid(const Arguments& arguments, Communicator& world) {
  const RunConfig config = read_run_config(arguments.model, arguments.overrides);
  const FamilyRegistry registry = all_families();
  const std::atomic<bool> stop{false};
  const StageContext context{.config = config,
                             .stage = config.stages.back(),
                             .run_folder = {},
                             .stage_folder = {},
                             .inputs = {},
                             .world = world,
                             .stop = stop,
                             .threads = std::stoi(arguments.at("--threads"))};
  const auto vocabulary = static_cast<std::int64_t>(std::stoll(arguments.at("--vocabulary")));
  const PrecisionChoice precision = choose_precision(context, registry, vocabulary);
  StoredModel stored = build_model(context, registry, dtype_of(precision.weights), vocabulary);
  HybridStep work(arguments, context, std::move(stored), precision.bf16_dots);
  serve(work, arguments.at("--gradients"));
}

int run(int argc, char** argv) {
  try {
    const Arguments arguments(argc, argv);
    spdlog::set_default_logger(spdlog::stderr_logger_st("step_benchmark"));  // answers own stdout
    keep_freed_memory();
    kernels::cap_isa_from_environment();
    if (arguments.mode == "block") {
      BlockStep work(arguments, all_families());
      serve(work, arguments.at("--gradients"));
    } else {
      run_ranks(1, [&](Communicator& world) { run_hybrid(arguments, world); });
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "step_benchmark: " << error.what() << "\n";
    return 1;
  }
}

}  // namespace
}  // namespace peryton

int main(int argc, char** argv) { return peryton::run(argc, argv); }
