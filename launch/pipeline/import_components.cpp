// Components that are GGUF files: each becomes a model folder in the run folder first.
// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "framework/checkpoint/files.h"
#include "framework/checkpoint/json_text.h"
#include "framework/core/error.h"
#include "framework/families/gguf_import.h"
#include "launch/pipeline/pipeline.h"

namespace peryton {
namespace {

namespace fs = std::filesystem;

// What tells whether a folder that is there was made from the file as it is now.
nlohmann::json mark_of(const fs::path& file) {
  const auto modified = fs::last_write_time(file).time_since_epoch();
  return {{"file", fs::absolute(file).string()},
          {"bytes", fs::file_size(file)},
          {"modified", std::chrono::duration_cast<std::chrono::nanoseconds>(modified).count()}};
}

bool is_made_from(const fs::path& mark_file, const nlohmann::json& mark) {
  return fs::exists(mark_file) && read_json_file(mark_file) == mark;
}

void make(const fs::path& file, const fs::path& folder, const fs::path& mark_file) {
  const nlohmann::json mark = mark_of(file);
  if (is_made_from(mark_file, mark)) return;
  fs::remove(mark_file);
  remove_folder(folder);
  import_gguf(file, folder);
  atomic_write_file(mark_file,
                    json_to_text(mark));  // last: an import that was cut off starts again
}

}  // namespace

void import_components(RunConfig& config, bool may_write,
                       const std::function<void(const std::string&)>& say) {
  const fs::path imported = config.run.folder / "imported";
  for (ComponentConfig& component : config.components) {
    const std::string file = component.from;
    if (file.empty() || !GgufFile::is_gguf(file)) continue;
    const fs::path folder = imported / component.name;
    const fs::path mark_file = imported / (component.name + ".json");
    if (may_write) {
      make_folder(imported);
      const FolderLock lock(config.run.folder);
      if (say) say(fmt::format("{}: importing {}", component.name, file));
      make(file, folder, mark_file);
    } else if (!is_made_from(mark_file, mark_of(file))) {
      fail_input("is a GGUF file, which has to be imported before one can look into it",
                 component.where, "peryton import " + file + " --to DIR, and write `from: DIR`");
    }
    component.from = fs::absolute(folder).string();
    if (config.data.tokenizer.path == file) config.data.tokenizer.path = component.from;
  }
}

}  // namespace peryton
