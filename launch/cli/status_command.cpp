// peryton status: where a run stands.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "framework/core/error.h"
#include "framework/train/metrics/progress.h"
#include "launch/cli/arguments.h"
#include "launch/cli/run_commands.h"
#include "launch/pipeline/dry_run.h"
#include "launch/pipeline/records.h"
#include "launch/report/run_files.h"
#include "launch/report/summary.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

// Whether a launcher holds the folder now.
bool is_held(const fs::path& run_folder) {
  const int descriptor = open((run_folder / ".lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool held = flock(descriptor, LOCK_SH | LOCK_NB) != 0;
  close(descriptor);  // gives the lock back
  return held;
}

// The last whole line of metrics.jsonl; null when there is none.
Json last_metrics(const fs::path& folder) {
  std::FILE* file = std::fopen((folder / "metrics.jsonl").c_str(), "rb");
  if (file == nullptr) return nullptr;
  constexpr long kTail = 64 << 10;
  std::fseek(file, 0, SEEK_END);
  const long size = std::ftell(file);
  std::fseek(file, size > kTail ? size - kTail : 0, SEEK_SET);
  std::string tail(static_cast<std::size_t>(size > kTail ? kTail : size), '\0');
  tail.resize(std::fread(tail.data(), 1, tail.size(), file));
  std::fclose(file);
  while (!tail.empty()) {
    const std::size_t end = tail.rfind('\n');
    if (end == std::string::npos) return nullptr;
    const std::size_t begin = end == 0 ? std::string::npos : tail.rfind('\n', end - 1);
    const std::size_t first = begin == std::string::npos ? 0 : begin + 1;
    const Json line = Json::parse(tail.substr(first, end - first), nullptr, false);
    if (line.is_object()) return line;
    tail.resize(first);
  }
  return nullptr;
}

struct Line {
  std::string status, progress, loss, time, note;
};

Line line_of(const RunConfig& config, const StageConfig& stage, bool held) {
  const fs::path folder = stages_folder(config.run.folder) / stage.name;
  Line line{"waiting", "", "", "", ""};
  if (const auto manifest = read_stage_manifest(folder)) {
    line.status = "done";
    line.time = clock_text(manifest->seconds);
  } else if (const auto state = read_state(folder)) {
    line.status = state->status == "running" && !held ? "interrupted" : state->status;
    line.note = state->reason;
  }
  const Json metrics = last_metrics(folder);
  if (!metrics.is_object()) return line;
  const double tokens = number_of(metrics, "tokens");
  const double planned = static_cast<double>(planned_tokens(config, stage));
  line.loss = fmt::format("{:.4f}", number_of(metrics, "loss"));
  line.progress = fmt::format("step {}", static_cast<std::int64_t>(number_of(metrics, "step")));
  if (planned > 0) line.progress += fmt::format(" ({:.0f}%)", 100.0 * tokens / planned);
  const double speed = number_of(metrics, "tokens_per_second");
  if (line.status == "running" && planned > tokens && speed > 0) {
    line.time = clock_text((planned - tokens) / speed) + " left";
  }
  return line;
}

void print_alpha(const RunConfig& config, const AlphaTable& alpha) {
  if (alpha.empty()) return;
  std::puts("\nmixture (one row per segment)");
  std::string head = "         ";
  for (const std::string& name : config.hybrid.components) head += fmt::format(" {:>10}", name);
  std::puts(head.c_str());
  for (std::size_t n = 0; n < alpha.size(); ++n) {
    std::string row = fmt::format("{:>9}", n + 1);
    for (const double value : alpha[n]) row += fmt::format(" {:>10.3f}", value);
    std::puts(row.c_str());
  }
}

}  // namespace

int status_command(const std::vector<std::string>& arguments) {
  ArgumentSpec spec{
      "peryton status RUN_FOLDER", options::options_description("options"), {{"run", 1}}};
  const auto values = parse_arguments(arguments, spec);
  if (!values) return 0;
  const fs::path folder =
      fs::absolute(required(*values, "run", "the run folder")).lexically_normal();
  const fs::path file = folder / "config.resolved.yaml";
  if (!fs::exists(file))
    fail_input("this is not a run folder", folder.string(), "it has no config.resolved.yaml");
  RunConfig config = read_run_config(file);
  config.run.folder = folder;  // it may have been moved
  const bool held = is_held(folder);
  std::printf("run %s (%s)\n\n%-22s %-12s %-18s %-8s %s\n", config.run.name.c_str(),
              held ? "running" : "not running", "stage", "status", "progress", "loss", "time");
  for (const StageConfig& stage : config.stages) {
    const Line line = line_of(config, stage, held);
    std::printf("%-22s %-12s %-18s %-8s %s\n", stage.name.c_str(), line.status.c_str(),
                line.progress.c_str(), line.loss.c_str(), line.time.c_str());
    if (!line.note.empty()) std::printf("    %s\n", line.note.c_str());
  }
  print_alpha(config, final_alpha(config, folder));
  const RunSummary summary = summarise_run(config, folder);
  if (!summary.evaluation.empty()) std::printf("\n%s", evaluation_table(summary).c_str());
  return 0;
}

}  // namespace peryton
