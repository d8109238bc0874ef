// SPDX-License-Identifier: Apache-2.0
#include "launch/cli/arguments.h"

#include <iostream>

#include "framework/config/names.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

std::vector<std::string> known_options(const options::options_description& described) {
  std::vector<std::string> names;
  for (const auto& option : described.options()) names.push_back("--" + option->long_name());
  return names;
}

}  // namespace

std::optional<options::variables_map> parse_arguments(const std::vector<std::string>& arguments,
                                                      ArgumentSpec spec) {
  spec.described.add_options()("help,h", "this text");
  options::options_description all = spec.described;
  options::positional_options_description positions;
  for (const auto& [name, count] : spec.positional) {
    all.add_options()(name.c_str(), options::value<std::vector<std::string>>());
    positions.add(name.c_str(), count);
  }
  namespace style = options::command_line_style;
  const int strict = style::unix_style & ~style::allow_guessing;
  options::variables_map values;
  try {
    options::store(options::command_line_parser(arguments)
                       .options(all)
                       .positional(positions)
                       .style(strict)
                       .run(),
                   values);
  } catch (const options::unknown_option& error) {
    const std::string name = error.get_option_name();
    fail_input("unknown option '" + name + "'", "", suggest(name, known_options(spec.described)));
  } catch (const options::error& error) {
    fail_input(error.what(), "", spec.usage);
  }
  if (values.count("help") != 0) {
    std::cout << "usage: " << spec.usage << "\n\n" << spec.described << "\n";
    return std::nullopt;
  }
  return values;
}

std::string required(const options::variables_map& values, const std::string& name,
                     const std::string& what) {
  if (values.count(name) == 0) fail_input(what + " is missing", "", "--help tells how");
  return values[name].as<std::vector<std::string>>().front();
}

}  // namespace peryton
