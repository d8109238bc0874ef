// What one optimiser step reports, and the interface of everything that records it.
// Only rank 0 owns writers; all figures are already reduced over the world.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace peryton {

// Values of the parameter groups ("alpha", "projectors", ...) in the order of the groups.
using GroupValues = std::vector<std::pair<std::string, double>>;

// One finished step. Optional figures are left out of the records when they are NaN or empty.
struct StepMetrics {
  int64_t step = 0;    // counted from 1
  int64_t tokens = 0;  // trained on since the stage began
  double loss = 0;     // mean over the loss tokens of the global batch, in nats
  GroupValues learning_rate;
  GroupValues gradient_norm;  // before clipping
  double tokens_per_second = 0;
  double model_flop_utilisation = 0;       // 0 to 1; 0 when the peak is not known
  int64_t memory_bytes = 0;                // peak resident memory over the ranks of one machine
  std::vector<std::vector<double>> alpha;  // [segment][component]; empty without a mixture
  GroupValues extra;                       // anything else, for example validation_loss
};

class MetricsWriter {
 public:
  virtual ~MetricsWriter() = default;
  virtual void write(const StepMetrics& metrics) = 0;
  // Everything written so far is on disk when this returns; call it before a checkpoint is made.
  virtual void flush() {}
};

// Hands every call to each of its writers.
class MetricsFanOut : public MetricsWriter {
 public:
  void add(std::unique_ptr<MetricsWriter> writer) { writers_.push_back(std::move(writer)); }
  void write(const StepMetrics& metrics) override {
    for (auto& writer : writers_) writer->write(metrics);
  }
  void flush() override {
    for (auto& writer : writers_) writer->flush();
  }

 private:
  std::vector<std::unique_ptr<MetricsWriter>> writers_;
};

// The writers of a stage folder: metrics.jsonl and a TensorBoard event file. `resumed_step` is the
// last step of the checkpoint that the run goes on from, 0 for a fresh start: later records are
// dropped.
std::unique_ptr<MetricsWriter> open_metrics(const std::string& folder, int64_t resumed_step);

}  // namespace peryton
