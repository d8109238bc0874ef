// The merges of a SentencePiece vocabulary that tells scores instead.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace peryton::gguf {

// SentencePiece's BPE joins the neighbours whose joint text has the highest score (Kudo and
// Richardson 2018). So every way to part a token into two tokens is a merge, by descending score of
// the token. `tokens`: normal ones only, with their scores. Where two tokens have one score their
// order is not told: the user's error at `place`.
std::vector<std::pair<std::string, std::string>> merges_of(
    const std::vector<std::pair<std::string, double>>& tokens, const std::string& place);

}  // namespace peryton::gguf
