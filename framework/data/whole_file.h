// Whole files in and out.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace peryton {

// The bytes of a file. Throws kUserInput where it is missing or cannot be read.
std::string read_whole_file(const std::filesystem::path& path);

// Writes beside the file, flushes to the disk and renames; a failure leaves the old file as it was.
void write_whole_file(const std::filesystem::path& path, std::string_view contents);

}  // namespace peryton
