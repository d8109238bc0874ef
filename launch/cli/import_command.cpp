// peryton import: a GGUF file becomes a model folder.
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "framework/core/error.h"
#include "framework/families/gguf_import.h"
#include "launch/cli/arguments.h"
#include "launch/cli/commands.h"
#include "launch/inspect/model_facts.h"

namespace peryton {
namespace {

DType dtype_named(const std::string& name) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    if (name == name_of(dtype)) return dtype;
  }
  fail_input("--dtype is '" + name + "'", "", "float32 or bfloat16");
}

}  // namespace

int import_command(const std::vector<std::string>& arguments) {
  ArgumentSpec spec{"peryton import FILE.gguf --to DIR [options]",
                    options::options_description("options"),
                    {{"file", 1}}};
  spec.described.add_options()("to", options::value<std::string>(), "folder to write")(
      "dtype", options::value<std::string>()->default_value("float32"),
      "of the weights: float32 loses nothing, bfloat16 takes half the space")(
      "without-tokenizer", options::bool_switch(), "leave the tokenizer out");
  const auto values = parse_arguments(arguments, spec);
  if (!values) return 0;
  const std::string file = required(*values, "file", "the GGUF file");
  if (values->count("to") == 0) fail_input("--to is missing", "", "--help tells how");
  const std::string folder = (*values)["to"].as<std::string>();
  const GgufImportResult result =
      import_gguf(file, folder,
                  {.dtype = dtype_named((*values)["dtype"].as<std::string>()),
                   .tokenizer = !(*values)["without-tokenizer"].as<bool>()});
  if (!result.tokenizer) std::puts("no tokenizer.json was written");
  // Reads names and shapes again, so that a model that no family here can run is told at once.
  std::fputs(to_text(model_facts(folder, all_families())).c_str(), stdout);
  return 0;
}

}  // namespace peryton
