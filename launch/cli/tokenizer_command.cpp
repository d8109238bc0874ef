// peryton tokenizer train | encode | decode
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/data/bpe_trainer.h"
#include "framework/data/documents.h"
#include "framework/data/json_lines.h"
#include "framework/data/whole_file.h"
#include "launch/cli/commands.h"
#include "launch/cli/data_arguments.h"

namespace peryton {
namespace {

namespace options = boost::program_options;
using Strings = std::vector<std::string>;

void print_line(const std::string& line) {
  if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size() ||
      std::fputc('\n', stdout) == EOF) {
    fail_system("standard output cannot be written", "", true);
  }
}

int train(const Strings& arguments) {
  auto description = source_options();
  description.add_options()("vocabulary", options::value<int>()->default_value(4096),
                            "tokens to learn, with the 256 bytes and <|endoftext|>")(
      "out", options::value<std::string>()->default_value("tokenizer.json"), "the file to write")(
      "split-digits", options::bool_switch(), "make every digit a token of its own")(
      "min-count", options::value<std::int64_t>()->default_value(2),
      "pairs that are rarer are not merged");
  bool done = false;
  const auto values = parse_arguments(
      "tokenizer train",
      "usage: peryton tokenizer train --vocabulary N --out tokenizer.json FILE|FOLDER ... | "
      "--jsonl FILE\n\n"
      "Learns a byte-level BPE vocabulary and writes it as a Hugging Face tokenizer.json.\n",
      description, arguments, done);
  if (done) return 0;
  std::vector<Document> documents;
  for (const auto& source : sources_of(values, "tokenizer train")) {
    for_each_document(source,
                      [&](Document&& document) { documents.push_back(std::move(document)); });
  }
  std::vector<std::string_view> texts;
  for (const auto& document : documents) {
    texts.push_back(document.text);
    if (!document.prompt.empty()) texts.push_back(document.prompt);
  }
  DataProgressBar bar;
  const std::string json =
      train_bpe(texts,
                {.vocabulary = values["vocabulary"].as<int>(),
                 .split_digits = values["split-digits"].as<bool>(),
                 .min_count = values["min-count"].as<std::int64_t>(),
                 .threads = threads_of(values)},
                [&](std::int64_t n, std::int64_t all) { bar("learn vocabulary", n, all); });
  bar.finish();
  const auto out = values["out"].as<std::string>();
  write_whole_file(out, json);
  const auto size = parse_tokenizer(json, out)->vocabulary_size();
  print_line(nlohmann::json({{"file", out}, {"vocabulary", size}, {"documents", documents.size()}})
                 .dump());
  return 0;
}

options::options_description file_options(const char* lines) {
  options::options_description description("Options");
  description.add_options()("tokenizer", options::value<std::string>()->required(),
                            "tokenizer.json, its folder, or `byte`")(
      "jsonl", options::value<std::string>()->required(), lines)(
      "field", options::value<std::string>()->default_value("text"), "the field with the text");
  return description;
}

int encode(const Strings& arguments) {
  bool done = false;
  const auto values =
      parse_arguments("tokenizer encode",
                      "usage: peryton tokenizer encode --tokenizer tokenizer.json --jsonl FILE\n\n"
                      "Prints one JSON list of token ids for each line {\"text\": ...} of FILE.\n",
                      file_options("a file of lines {\"text\": ...}"), arguments, done);
  if (done) return 0;
  const auto tokenizer = open_tokenizer(values["tokenizer"].as<std::string>());
  const auto field = values["field"].as<std::string>();
  for_each_json_line(values["jsonl"].as<std::string>(),
                     [&](const nlohmann::json& line, const std::string& where) {
                       const auto ids = tokenizer->encode(json_text_field(line, field, where));
                       print_line(nlohmann::json(ids).dump());
                     });
  return 0;
}

std::vector<std::int32_t> ids_of(const nlohmann::json& line, const std::string& where) {
  try {
    return line.get<std::vector<std::int32_t>>();
  } catch (const nlohmann::json::exception&) {
    fail_input("not a list of token ids", where);
  }
}

int decode(const Strings& arguments) {
  bool done = false;
  const auto values =
      parse_arguments("tokenizer decode",
                      "usage: peryton tokenizer decode --tokenizer tokenizer.json --jsonl FILE\n\n"
                      "Prints one line {\"text\": ...} for each JSON list of token ids in FILE.\n",
                      file_options("a file of lines [id, ...]"), arguments, done);
  if (done) return 0;
  const auto tokenizer = open_tokenizer(values["tokenizer"].as<std::string>());
  const auto field = values["field"].as<std::string>();
  for_each_json_line(values["jsonl"].as<std::string>(),
                     [&](const nlohmann::json& line, const std::string& where) {
                       std::string text;
                       try {
                         text = tokenizer->decode(ids_of(line, where));
                       } catch (const Error& error) {
                         fail_input(error.message(), where, error.hint());
                       }
                       // Ids can spell half a character: JSON then gets U+FFFD.
                       const auto replace = nlohmann::json::error_handler_t::replace;
                       print_line(nlohmann::json({{field, text}}).dump(-1, ' ', true, replace));
                     });
  return 0;
}

}  // namespace

int tokenizer_command(const Strings& arguments) {
  const std::string action = arguments.empty() ? "" : arguments.front();
  const Strings rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (action == "train") return train(rest);
  if (action == "encode") return encode(rest);
  if (action == "decode") return decode(rest);
  if (action == "--help" || action == "-h") {
    print_line("usage: peryton tokenizer train|encode|decode ...; each has --help");
    return 0;
  }
  fail_input(action.empty() ? "tokenizer needs an action" : "unknown action '" + action + "'", "",
             "peryton tokenizer train|encode|decode ...");
}

}  // namespace peryton
