// What the commands that read text share: parsing, threads, progress.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/program_options.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "framework/data/data_settings.h"
#include "framework/data/prepare.h"
#include "framework/data/tokenizer.h"
#include "framework/train/metrics/progress.h"

namespace peryton {

// Parses the arguments of `peryton COMMAND`; positional ones go to the option "paths" where it is
// there. `done` is set where --help was asked for and `usage` with the options was printed. Throws
// kUserInput.
boost::program_options::variables_map parse_arguments(
    const std::string& command, const std::string& usage,
    boost::program_options::options_description options, const std::vector<std::string>& arguments,
    bool& done);

// --jsonl, --field, --prompt, --completion, --documents, --threads and positional paths.
boost::program_options::options_description source_options();
// The sources that they name. Throws kUserInput where there is none.
std::vector<SourceSettings> sources_of(const boost::program_options::variables_map& values,
                                       const std::string& command);
int threads_of(const boost::program_options::variables_map& values);
// "byte", or the path of a tokenizer.json or its folder.
std::unique_ptr<Tokenizer> open_tokenizer(const std::string& name);

// A bar on standard error for each kind of work that it is told of.
class DataProgressBar {
 public:
  void operator()(const std::string& what, std::int64_t done, std::int64_t total);
  void finish();

 private:
  std::string what_;
  std::unique_ptr<Progress> bar_;
};

}  // namespace peryton
