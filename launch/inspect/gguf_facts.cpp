// SPDX-License-Identifier: Apache-2.0
#include "launch/inspect/gguf_facts.h"

#include <map>

#include "framework/checkpoint/gguf.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

struct TypeCount {
  std::int64_t tensors = 0, bytes = 0;
  bool readable = true;
};

std::string line(const std::string& label, const std::string& value) {
  return fmt::format("  {:<13}{}\n", label, value);
}

// The architecture's own entries, without its name in front.
std::string architecture_lines(const GgufFile& file, const std::string& architecture) {
  std::string text;
  for (const auto& [key, value] : file.metadata()) {
    if (!key.starts_with(architecture + ".")) continue;
    text += fmt::format("    {:<36} {}\n", key.substr(architecture.size() + 1), value.text());
  }
  return text;
}

std::string weight_lines(const GgufFile& file) {
  std::map<std::string, TypeCount> types;
  std::int64_t parameters = 0;
  for (const auto& item : file.tensors()) {
    TypeCount& count = types[std::string(item.second.type->name)];
    ++count.tensors;
    count.bytes += static_cast<std::int64_t>(item.second.bytes.size());
    count.readable = item.second.type->readable();
    parameters += item.second.elements();
  }
  std::string text = line("parameters", std::to_string(parameters));
  for (const auto& [name, count] : types) {
    text += line(name, fmt::format("{} tensors, {:.1f} MB{}", count.tensors,
                                   static_cast<double>(count.bytes) / 1e6,
                                   count.readable ? "" : ": this type cannot be read"));
  }
  return text;
}

std::string tokenizer_line(const GgufFile& file) {
  const std::string kind = file.text("tokenizer.ggml.model").value_or("none");
  const auto tokens = file.metadata().find("tokenizer.ggml.tokens");
  if (kind == "none" || tokens == file.metadata().end()) return line("tokenizer", "none");
  std::string text = fmt::format("{} entries, kind {}", tokens->second.size(), kind);
  if (const auto words = file.text("tokenizer.ggml.pre")) text += ", pre-tokenizer " + *words;
  return line("tokenizer", text);
}

}  // namespace

std::string gguf_text(const std::filesystem::path& path) {
  const GgufFile file = GgufFile::open(path);
  const std::string architecture = file.text("general.architecture").value_or("not told");
  std::string text = path.string() + "\n";
  text += line("format", fmt::format("GGUF version {}", file.version()));
  if (const auto name = file.text("general.name")) text += line("name", *name);
  text += line("architecture", architecture) + architecture_lines(file, architecture);
  text += weight_lines(file) + tokenizer_line(file);
  return text + line("use it", "peryton import " + path.string() + " --to DIR");
}

}  // namespace peryton
