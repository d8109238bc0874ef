// Sources to token files: the data stage of a pipeline.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "framework/data/data_settings.h"
#include "framework/data/sampler.h"
#include "framework/data/tokenizer.h"

namespace peryton {

// Called from one thread; `total` may be 0 where it is not known.
using DataProgress =
    std::function<void(const std::string& what, std::int64_t done, std::int64_t total)>;

// What a finished data folder holds.
struct PreparedData {
  std::filesystem::path folder;
  std::filesystem::path tokenizer;  // tokenizer.json
  struct Train {
    std::filesystem::path path;
    double weight = 0;
  };
  std::vector<Train> train = {};                     // one token file per source
  std::filesystem::path validation = {}, test = {};  // empty where the fraction is 0
  std::string hash = {};  // of the contents: equal hashes mean equal token files and tokenizer
  bool reused = false;    // prepare_data found it already done
};

// Reads the sources, splits by document, gets the tokenizer (trained on the training side only) and
// writes tokenizer.json, train-<source>.tokens, validation.tokens, test.tokens and data.json,
// which is written last. Does nothing where the manifest is there for the same settings and inputs.
// Throws kUserInput naming the file, and the line or byte, that is wrong.
PreparedData prepare_data(const DataSettings& settings, const std::filesystem::path& folder,
                          const DataProgress& progress = {});

// Reads the manifest of a finished folder; throws kUserInput where there is none.
PreparedData open_prepared_data(const std::filesystem::path& folder);

// Opens the training files of a data folder.
TokenSource training_source(const PreparedData& data, std::uint64_t seed);

}  // namespace peryton
