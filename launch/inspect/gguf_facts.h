// What is in a GGUF file, for people.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace peryton {

// Architecture, its counts, element types, tokenizer, and what stands in the way of an import.
// Reads no element. A damaged file is the user's error.
std::string gguf_text(const std::filesystem::path& file);

}  // namespace peryton
