// Training checkpoints: folders `<dir>/step-0000120/` with one or more *.safetensors, state.json
// and manifest.json (sizes and xxh3 of the others, and of itself). A checkpoint is written into a
// temporary folder, fsynced, and renamed last, so at every moment a folder with a checkpoint's name
// is a whole one; what a crash leaves behind is removed by the next store. What the disk damages
// later is found by the checksums.
//
// Several ranks may write one checkpoint: one calls begin(), then after a barrier each
// write_part(), then after another barrier one calls commit(). save() is the three of them for a
// single writer.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/core/named_tensor.h"

namespace peryton {

// An intact checkpoint.
class Checkpoint {
 public:
  // Checks sizes and checksums; whatever is wrong is a user error that names the file.
  static Checkpoint open(const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  std::int64_t step() const { return step_; }
  std::optional<double> metric() const { return metric_; }
  const nlohmann::json& state() const { return state_; }
  std::vector<std::string> names() const;  // sorted, of all parts together
  bool contains(const std::string& name) const { return part_of_name_.count(name) != 0; }
  Tensor load(const std::string& name, std::optional<DType> as = std::nullopt) const;
  const StoredTensor& info(const std::string& name) const;
  // Of the tensors' files: equal for bitwise equal checkpoints of the same partition.
  const std::string& content_hash() const { return content_hash_; }

 private:
  const SafetensorsFile& part(const std::string& name) const;

  std::filesystem::path folder_;
  std::int64_t step_ = 0;
  std::optional<double> metric_;
  nlohmann::json state_;
  std::string content_hash_;
  std::vector<std::shared_ptr<SafetensorsFile>> parts_;
  std::map<std::string, std::size_t> part_of_name_;
};

struct CheckpointOptions {
  int keep_last = 2;  // newest checkpoints kept; at least 1
  int keep_best = 1;  // and those with the lowest metric
  FaultPoint at_point;
};

// What save() and commit() store besides the tensors.
struct CheckpointState {
  nlohmann::json state;          // the trainer's own
  std::optional<double> metric;  // lower is better, for best(); must be finite
  // Steps of this store that the state refers to; they live as long as this checkpoint does.
  std::vector<std::int64_t> refers_to;
};

class CheckpointStore {
 public:
  // Makes the folder; touches nothing that is in it. Hold a FolderLock on the run while you save.
  explicit CheckpointStore(std::filesystem::path folder, CheckpointOptions options = {});

  // A failure (disk full) is a system error and leaves the earlier checkpoints as they were.
  void save(std::int64_t step, std::span<const NamedTensor> tensors, CheckpointState state);

  void begin(std::int64_t step);
  // `part` is a file name without extension; tensors of different parts must have different names.
  void write_part(std::int64_t step, const std::string& part, std::span<const NamedTensor> tensors);
  void commit(std::int64_t step, CheckpointState state);
  void abandon(std::int64_t step);  // after a failed write_part on any rank

  // The newest (or the lowest-metric) intact checkpoint. Damaged ones are named in a warning and
  // passed over.
  std::optional<Checkpoint> latest() const;
  std::optional<Checkpoint> best() const;
  std::vector<std::int64_t> steps() const;  // ascending; intact or not
  std::filesystem::path folder_of(std::int64_t step) const;
  // Retention never deletes these (other stages' manifests refer to them).
  void protect(std::vector<std::int64_t> steps) { protected_ = std::move(steps); }
  // Removes what crashed saves left behind. save() and begin() do it too.
  void remove_stale() const;

 private:
  std::filesystem::path temporary_of(std::int64_t step) const;
  void retain(std::int64_t newest) const;

  std::filesystem::path folder_;
  CheckpointOptions options_;
  std::vector<std::int64_t> protected_;
};

}  // namespace peryton
