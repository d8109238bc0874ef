// SPDX-License-Identifier: Apache-2.0
#include "launch/cli/data_arguments.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <thread>

#include "framework/core/error.h"

namespace peryton {

namespace options = boost::program_options;
using Strings = std::vector<std::string>;

options::variables_map parse_arguments(const std::string& command, const std::string& usage,
                                       options::options_description description,
                                       const Strings& arguments, bool& done) {
  description.add_options()("help,h", "show this");
  options::positional_options_description positional;
  if (description.find_nothrow("paths", false) != nullptr) positional.add("paths", -1);
  options::variables_map values;
  try {
    namespace style = options::command_line_style;
    // No guessing: an option that is only nearly right is an error, not another option.
    const int strict = style::unix_style & ~style::allow_guessing;
    options::store(options::command_line_parser(arguments)
                       .options(description)
                       .positional(positional)
                       .style(strict)
                       .run(),
                   values);
    done = values.count("help") > 0;
    if (done) {
      std::cout << usage << "\n" << description << std::flush;
    } else {
      options::notify(values);
    }
  } catch (const options::error& error) {
    fail_input(error.what(), "", fmt::format("`peryton {} --help` lists the options", command));
  }
  return values;
}

options::options_description source_options() {
  options::options_description description("Options");
  description.add_options()(
      "paths", options::value<Strings>(),
      "text, HTML or JSONL files, or folders of them (may be given without the name)")(
      "jsonl", options::value<Strings>(), "a JSONL file")(
      "field", options::value<std::string>()->default_value("text"),
      "JSONL: the field with the text")("prompt", options::value<std::string>(),
                                        "JSONL: a field that is read but not learnt")(
      "completion", options::value<std::string>(), "JSONL: the field that is learnt behind it")(
      "documents", options::value<std::string>()->default_value("auto"),
      "how a text file becomes documents: auto, file, blank_line, lines:N, pieces:N, starts:REGEX")(
      "threads", options::value<int>()->default_value(0), "0: all processors");
  return description;
}

std::vector<SourceSettings> sources_of(const options::variables_map& values,
                                       const std::string& command) {
  std::vector<SourceSettings> sources;
  for (const char* name : {"paths", "jsonl"}) {
    if (values.count(name) == 0) continue;
    for (const std::string& path : values[name].as<Strings>()) {
      SourceSettings source;
      source.path = path;
      source.field = values["field"].as<std::string>();
      source.documents = values["documents"].as<std::string>();
      if (values.count("prompt") > 0) source.prompt_field = values["prompt"].as<std::string>();
      if (values.count("completion") > 0)
        source.completion_field = values["completion"].as<std::string>();
      source.json_lines = std::string(name) == "jsonl";
      sources.push_back(std::move(source));
    }
  }
  if (sources.empty()) {
    fail_input("no text is named", "",
               fmt::format("peryton {} FILE ..., or --jsonl FILE", command));
  }
  return sources;
}

int threads_of(const options::variables_map& values) {
  const int threads = values["threads"].as<int>();
  if (threads < 0 || threads > 4096)
    fail_input(fmt::format("--threads {} makes no sense", threads));
  return threads > 0 ? threads
                     : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& name) {
  return name == "byte" ? byte_tokenizer() : load_tokenizer(name);
}

void DataProgressBar::operator()(const std::string& what, std::int64_t done, std::int64_t total) {
  if (what != what_) {
    finish();
    what_ = what;
    bar_ = std::make_unique<Progress>(what, total, 0, stderr, progress_style(stderr));
  }
  bar_->update(done, std::nan(""), 0);
}

void DataProgressBar::finish() {
  if (bar_) bar_->finish();
  bar_.reset();
  what_.clear();
}

}  // namespace peryton
