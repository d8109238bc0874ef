// data.json of a data folder: what is in it and what it was made from. Written last.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "framework/data/prepare.h"

namespace peryton {

// Says everything that the token files depend on: settings, and the hashes of the input files'
// contents (not their places, nor the number of threads). Throws kUserInput for missing input.
std::string data_settings_key(const DataSettings& settings);

// Nothing where there is no manifest, it has another key (unless `key` is empty), or a file that it
// names is gone or damaged.
std::optional<PreparedData> read_data_manifest(const std::filesystem::path& folder,
                                               const std::string& key);
void write_data_manifest(const PreparedData& data, const std::string& key,
                         const Tokenizer& tokenizer);
void remove_data_manifest(const std::filesystem::path& folder);

}  // namespace peryton
