// SPDX-License-Identifier: Apache-2.0
#include "framework/data/data_manifest.h"

#include <xxhash.h>

#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/data/documents.h"
#include "framework/data/whole_file.h"

namespace peryton {
namespace {

using Json = nlohmann::json;

constexpr int kVersion = 1;  // of the manifest and of what the data layer makes of the same input

std::string hash_of(const std::string& contents) {
  return fmt::format("{:016x}", XXH3_64bits(contents.data(), contents.size()));
}

std::filesystem::path manifest_path(const std::filesystem::path& folder) {
  return folder / "data.json";
}

Json describe_source(const SourceSettings& source) {
  Json files = Json::array();
  for (const auto& file : source_files(source)) {
    files.push_back({file.extension().string(), hash_of(read_whole_file(file))});
  }
  return {{"files", std::move(files)},       {"field", source.field},
          {"prompt", source.prompt_field},   {"completion", source.completion_field},
          {"json_lines", source.json_lines}, {"weight", source.weight},
          {"documents", source.documents}};
}

Json describe_tokenizer(const TokenizerSettings& tokenizer) {
  if (tokenizer.kind == TokenizerSettings::Kind::kByte) return "byte";
  if (tokenizer.kind == TokenizerSettings::Kind::kLoad) {
    return {{"hash", fmt::format("{:016x}", load_tokenizer(tokenizer.path)->hash())}};
  }
  return {{"train", "bpe"},
          {"vocabulary", tokenizer.vocabulary},
          {"split_digits", tokenizer.split_digits}};
}

Json describe_file(const std::filesystem::path& path) {
  const auto file = TokenFile::open(path);
  std::int64_t bytes = 0;
  for (std::int64_t d = 0; d < file->documents(); ++d) bytes += file->document_bytes(d);
  return {{"file", path.filename().string()},
          {"tokens", file->tokens()},
          {"documents", file->documents()},
          {"bytes", bytes},
          {"checksum", fmt::format("{:016x}", file->checksum())}};
}

// The path of a token file of the manifest; empty for null. Throws where it is not as described.
std::filesystem::path checked_file(const std::filesystem::path& folder, const Json& entry) {
  if (entry.is_null()) return {};
  const auto path = folder / entry.at("file").get<std::string>();
  const auto file = TokenFile::open(path, true);
  if (fmt::format("{:016x}", file->checksum()) != entry.at("checksum").get<std::string>()) {
    fail_input("not the token file of the manifest", path.string());
  }
  return path;
}

PreparedData parse_manifest(const std::filesystem::path& folder, const Json& manifest) {
  PreparedData data{.folder = folder, .tokenizer = folder / "tokenizer.json"};
  const std::string hash = fmt::format("{:016x}", load_tokenizer(data.tokenizer)->hash());
  if (hash != manifest.at("tokenizer").at("hash").get<std::string>()) {
    fail_input("not the tokenizer of the manifest", data.tokenizer.string());
  }
  for (const auto& entry : manifest.at("train")) {
    data.train.push_back({checked_file(folder, entry), entry.at("weight").get<double>()});
  }
  data.validation = checked_file(folder, manifest.at("validation"));
  data.test = checked_file(folder, manifest.at("test"));
  data.hash = manifest.at("hash").get<std::string>();
  return data;
}

}  // namespace

std::string data_settings_key(const DataSettings& settings) {
  Json sources = Json::array();
  for (const auto& source : settings.sources) sources.push_back(describe_source(source));
  const Json key = {
      {"version", kVersion},
      {"sources", std::move(sources)},
      {"split", {settings.split.validation, settings.split.test, settings.split.near_duplicates}},
      {"tokenizer", describe_tokenizer(settings.tokenizer)},
      {"seed", settings.seed}};
  return hash_of(key.dump());
}

std::optional<PreparedData> read_data_manifest(const std::filesystem::path& folder,
                                               const std::string& key) {
  if (!std::filesystem::exists(manifest_path(folder))) return {};
  try {
    const Json manifest = Json::parse(read_whole_file(manifest_path(folder)));
    if (!key.empty() && manifest.at("key").get<std::string>() != key) return {};
    return parse_manifest(folder, manifest);
  } catch (const Json::exception&) {
    return {};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kUserInput) throw;
    return {};
  }
}

void write_data_manifest(const PreparedData& data, const std::string& key,
                         const Tokenizer& tokenizer) {
  Json train = Json::array();
  for (const auto& file : data.train) {
    train.push_back(describe_file(file.path));
    train.back()["weight"] = file.weight;
  }
  Json manifest = {
      {"tokenizer",
       {{"hash", fmt::format("{:016x}", tokenizer.hash())},
        {"vocabulary", tokenizer.vocabulary_size()}}},
      {"train", std::move(train)},
      {"validation", data.validation.empty() ? Json() : describe_file(data.validation)},
      {"test", data.test.empty() ? Json() : describe_file(data.test)}};
  manifest["hash"] = hash_of(manifest.dump());
  manifest["version"] = kVersion;
  manifest["key"] = key;
  write_whole_file(manifest_path(data.folder), manifest.dump(2) + "\n");
}

void remove_data_manifest(const std::filesystem::path& folder) {
  std::filesystem::remove(manifest_path(folder));
}

}  // namespace peryton
