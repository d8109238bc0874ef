// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <stdio.h>

#include <algorithm>
#include <cmath>

#include "framework/checkpoint/checkpoint.h"
#include "framework/checkpoint/json_text.h"
#include "framework/checkpoint/manifest.h"
#include "framework/checkpoint/retention.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kName = "step-";
constexpr std::string_view kSaving = ".saving-";
constexpr std::string_view kDeleting = ".deleting-";

std::string name_of_step(std::int64_t step) { return fmt::format("{}{:07d}", kName, step); }

std::optional<std::int64_t> step_of_name(std::string_view name) {
  if (!name.starts_with(kName)) return std::nullopt;
  const std::string_view digits = name.substr(kName.size());
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (digits.empty() || digits.size() > 18 || !std::ranges::all_of(digits, is_digit)) {
    return std::nullopt;
  }
  return std::stoll(std::string(digits));
}

void rename_folder(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    fail_system("cannot rename the folder", from.string(), true);
  }
}

// Under its final name a folder is whole or absent, so it gets another name before its files go.
void delete_checkpoint(const fs::path& folder, const FaultPoint& at_point) {
  const fs::path doomed =
      folder.parent_path() / (std::string(kDeleting) + folder.filename().string());
  remove_folder(doomed);
  rename_folder(folder, doomed);
  reach(at_point, "delete-renamed");
  remove_folder(doomed);
}

// Gives a finished folder its name. One that has it already (a damaged one, written again after a
// resume from before it) is exchanged in one step where the file system can do so.
void publish(const fs::path& temporary, const fs::path& folder, const FaultPoint& at_point) {
  if (!fs::exists(folder)) {
    rename_folder(temporary, folder);
    return;
  }
  if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, folder.c_str(), RENAME_EXCHANGE) == 0) {
    reach(at_point, "exchanged");
    remove_folder(temporary);
    return;
  }
  delete_checkpoint(folder, at_point);
  rename_folder(temporary, folder);
}

void warn_damaged(const fs::path& folder, const Error& error) {
  spdlog::warn("checkpoint {} is damaged and passed over: {}", folder.string(), error.what());
}

}  // namespace

CheckpointStore::CheckpointStore(fs::path folder, CheckpointOptions options)
    : folder_(std::move(folder)), options_(std::move(options)) {
  PERYTON_CHECK(options_.keep_last >= 1 && options_.keep_best >= 0);
  make_folder(folder_);
}

fs::path CheckpointStore::folder_of(std::int64_t step) const {
  return folder_ / name_of_step(step);
}

fs::path CheckpointStore::temporary_of(std::int64_t step) const {
  return folder_ / (std::string(kSaving) + name_of_step(step));
}

std::vector<std::int64_t> CheckpointStore::steps() const {
  std::vector<std::int64_t> steps;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const auto step = step_of_name(entry.path().filename().string());
    if (step && entry.is_directory()) steps.push_back(*step);
  }
  std::ranges::sort(steps);
  return steps;
}

void CheckpointStore::remove_stale() const {
  std::vector<fs::path> stale;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kSaving) || name.starts_with(kDeleting)) stale.push_back(entry.path());
  }
  for (const fs::path& path : stale) remove_folder(path);
}

void CheckpointStore::save(std::int64_t step, std::span<const NamedTensor> tensors,
                           CheckpointState state) {
  begin(step);
  try {
    write_part(step, "tensors", tensors);
  } catch (...) {
    abandon(step);
    throw;
  }
  commit(step, std::move(state));
}

void CheckpointStore::begin(std::int64_t step) {
  PERYTON_CHECK(step >= 0, "step {}", step);
  reach(options_.at_point, "begin");
  remove_stale();
  make_folder(temporary_of(step));
  reach(options_.at_point, "temporary-made");
}

void CheckpointStore::write_part(std::int64_t step, const std::string& part,
                                 std::span<const NamedTensor> tensors) {
  const fs::path path = temporary_of(step) / (part + ".safetensors");
  write_safetensors(path, tensors, {}, options_.at_point);
  reach(options_.at_point, "part-written");
}

void CheckpointStore::commit(std::int64_t step, CheckpointState state) {
  PERYTON_CHECK(!state.metric || std::isfinite(*state.metric), "metric of step {}", step);
  const fs::path temporary = temporary_of(step);
  try {
    AtomicFile file(temporary / "state.json");
    file.write(json_to_text(state.state));
    reach(options_.at_point, "state-written");
    file.commit(options_.at_point);
    const CheckpointManifest manifest{step, state.metric, std::move(state.refers_to),
                                      describe_files(temporary)};
    reach(options_.at_point, "files-hashed");
    write_manifest(temporary, manifest, options_.at_point);
    reach(options_.at_point, "manifest-written");
    publish(temporary, folder_of(step), options_.at_point);
  } catch (...) {
    abandon(step);
    throw;
  }
  reach(options_.at_point, "renamed");
  fsync_folder(folder_);
  reach(options_.at_point, "store-synced");
  retain(step);
  reach(options_.at_point, "end");
}

void CheckpointStore::abandon(std::int64_t step) {
  std::error_code ignored;  // the failure that led here is the one to report
  fs::remove_all(temporary_of(step), ignored);
}

std::optional<Checkpoint> CheckpointStore::latest() const {
  const std::vector<std::int64_t> all = steps();
  for (auto step = all.rbegin(); step != all.rend(); ++step) {
    try {
      return Checkpoint::open(folder_of(*step));
    } catch (const Error& error) {
      warn_damaged(folder_of(*step), error);
    }
  }
  return std::nullopt;
}

std::optional<Checkpoint> CheckpointStore::best() const {
  std::vector<std::pair<double, std::int64_t>> by_metric;
  for (const std::int64_t step : steps()) {
    try {
      const CheckpointManifest manifest = read_manifest(folder_of(step));
      if (manifest.metric) by_metric.emplace_back(*manifest.metric, step);
    } catch (const Error& error) {
      warn_damaged(folder_of(step), error);
    }
  }
  std::ranges::sort(by_metric);
  for (const auto& item : by_metric) {
    try {
      return Checkpoint::open(folder_of(item.second));
    } catch (const Error& error) {
      warn_damaged(folder_of(item.second), error);
    }
  }
  return std::nullopt;
}

// The new checkpoint is safe already, so trouble here is a warning. Damaged ones stay for their
// owner to look at, and do not count among those that are kept.
void CheckpointStore::retain(std::int64_t newest) const {
  std::vector<CheckpointManifest> intact;
  for (const std::int64_t step : steps()) {
    try {
      intact.push_back(read_manifest(folder_of(step)));
      check_files(folder_of(step), intact.back(), /*contents=*/false);
    } catch (const Error&) {
      if (!intact.empty() && intact.back().step == step) intact.pop_back();
    }
  }
  std::vector<std::int64_t> keep = protected_;
  keep.push_back(newest);
  for (const std::int64_t step :
       steps_to_delete(intact, options_.keep_last, options_.keep_best, keep)) {
    try {
      delete_checkpoint(folder_of(step), options_.at_point);
      reach(options_.at_point, "deleted");
    } catch (const std::exception& error) {
      spdlog::warn("cannot delete the old checkpoint {}: {}", folder_of(step).string(),
                   error.what());
    }
  }
}

}  // namespace peryton
