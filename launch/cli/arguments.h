// Arguments of a subcommand, by Boost.Program_options with its traps closed: no guessing from
// prefixes, and an unknown option names the nearest known one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/program_options.hpp>
#include <optional>
#include <string>
#include <vector>

namespace peryton {

namespace options = boost::program_options;

struct ArgumentSpec {
  std::string usage;                                         // "peryton run FILE [options]"
  options::options_description described;                    // shown by --help
  std::vector<std::pair<std::string, int>> positional = {};  // names and how many (-1: the rest)
};

// nullopt: --help was asked for and has been printed.
std::optional<options::variables_map> parse_arguments(const std::vector<std::string>& arguments,
                                                      ArgumentSpec spec);
// A positional argument that must be there.
std::string required(const options::variables_map& values, const std::string& name,
                     const std::string& what);

}  // namespace peryton
