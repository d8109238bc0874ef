// peryton tokenize: text to a memory-mapped token file.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/data/document_encoder.h"
#include "framework/data/documents.h"
#include "launch/cli/commands.h"
#include "launch/cli/data_arguments.h"

namespace peryton {
namespace {

namespace options = boost::program_options;

constexpr const char* kUsage =
    "usage: peryton tokenize --tokenizer tokenizer.json --out FILE.tokens FILE|FOLDER ...\n"
    "       peryton tokenize ... --jsonl FILE [--field NAME | --prompt NAME --completion NAME]\n\n"
    "Encodes text files, HTML pages, folders of them or JSONL into a memory-mapped token file, "
    "with an\n"
    "end-of-text token between documents. With a prompt field the file carries a loss mask.\n";

// Bytes of all input files: HTML and JSON shrink on the way, so this only bounds the bar.
std::int64_t input_bytes(const std::vector<SourceSettings>& sources) {
  std::int64_t bytes = 0;
  for (const auto& source : sources) {
    for (const auto& file : source_files(source)) {
      bytes += static_cast<std::int64_t>(std::filesystem::file_size(file));
    }
  }
  return bytes;
}

}  // namespace

int tokenize_command(const std::vector<std::string>& arguments) {
  auto description = source_options();
  description.add_options()("tokenizer", options::value<std::string>()->required(),
                            "tokenizer.json, its folder, or `byte`")(
      "out", options::value<std::string>()->required(), "the token file to write");
  bool done = false;
  const auto values = parse_arguments("tokenize", kUsage, description, arguments, done);
  if (done) return 0;
  const auto tokenizer = open_tokenizer(values["tokenizer"].as<std::string>());
  const auto sources = sources_of(values, "tokenize");
  const auto out = values["out"].as<std::string>();
  const std::int64_t total = input_bytes(sources);

  DataProgressBar bar;
  TokenFileWriter writer(out, token_file_settings(*tokenizer, values.count("prompt") > 0));
  DocumentEncoder encoder(*tokenizer, writer, threads_of(values), [&](std::int64_t bytes) {
    bar("tokenize", std::min(bytes, total), total);
  });
  for (const auto& source : sources) {
    for_each_document(source, [&](Document&& document) { encoder.add(std::move(document)); });
  }
  encoder.finish();
  bar.finish();
  const nlohmann::json report = {{"file", out},
                                 {"tokens", writer.tokens()},
                                 {"documents", writer.documents()},
                                 {"vocabulary", tokenizer->vocabulary_size()}};
  std::puts(report.dump().c_str());
  return 0;
}

}  // namespace peryton
