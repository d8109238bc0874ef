// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <optional>

#include "framework/core/error.h"
#include "framework/data/documents.h"
#include "framework/data/pattern.h"

namespace peryton {
namespace {

constexpr std::size_t kWholeFile = std::size_t{64} << 10, kPiece = 8192;

bool is_blank_line(std::string_view line) {
  return line.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

// The line that begins at `begin`, with its line end.
std::string_view line_at(std::string_view text, std::size_t begin) {
  const std::size_t end = text.find('\n', begin);
  return text.substr(begin, end == std::string_view::npos ? end : end + 1 - begin);
}

// Cuts before each line for which `starts(line, bytes so far, lines so far)` holds.
template <class Starts>
std::vector<std::string> cut(std::string_view text, const Starts& starts) {
  std::vector<std::string> documents;
  std::size_t begin = 0, lines = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view line = line_at(text, at);
    if (at > begin && starts(line, at - begin, lines)) {
      documents.emplace_back(text.substr(begin, at - begin));
      begin = at;
      lines = 0;
    }
    ++lines;
    at += line.size();
  }
  documents.emplace_back(text.substr(begin));
  return documents;
}

std::vector<std::string> cut_at_blank_lines(std::string_view text) {
  bool blank_before = false;
  return cut(text, [&](std::string_view line, std::size_t, std::size_t) {
    const bool starts = blank_before && !is_blank_line(line);
    blank_before = is_blank_line(line);
    return starts;
  });
}

std::vector<std::string> cut_pieces(std::string_view text, std::size_t bytes) {
  // Paragraphs are kept whole where the text has them; without blank lines, lines are.
  const bool paragraphs = text.find("\n\n") != std::string_view::npos;
  bool blank_before = false;
  return cut(text, [&](std::string_view line, std::size_t so_far, std::size_t) {
    const bool boundary = !paragraphs || (blank_before && !is_blank_line(line));
    blank_before = is_blank_line(line);
    // A paragraph of eight pieces is cut all the same.
    return so_far >= bytes && (boundary || so_far >= 8 * bytes);
  });
}

std::optional<std::size_t> count_after(const std::string& rule, std::string_view prefix) {
  if (!rule.starts_with(prefix)) return {};
  std::size_t count = 0;
  const char* end = rule.data() + rule.size();
  const auto result = std::from_chars(rule.data() + prefix.size(), end, count);
  if (result.ec != std::errc() || result.ptr != end || count == 0) return {};
  return count;
}

}  // namespace

std::vector<std::string> split_into_documents(std::string text, const std::string& rule,
                                              const std::string& where) {
  constexpr std::string_view kStarts = "starts:";
  const bool whole = rule == "file" || (rule == "auto" && text.size() <= kWholeFile);
  std::vector<std::string> documents;
  if (whole) {
    documents.push_back(std::move(text));
  } else if (rule == "auto") {
    documents = cut_pieces(text, kPiece);
  } else if (rule == "blank_line") {
    documents = cut_at_blank_lines(text);
  } else if (const auto bytes = count_after(rule, "pieces:")) {
    documents = cut_pieces(text, *bytes);
  } else if (const auto lines = count_after(rule, "lines:")) {
    documents =
        cut(text, [&](std::string_view, std::size_t, std::size_t n) { return n == *lines; });
  } else if (rule.starts_with(kStarts) && rule.size() > kStarts.size()) {
    const Pattern pattern(rule.substr(kStarts.size()), where);
    documents = cut(text, [&](std::string_view line, std::size_t, std::size_t) {
      return pattern.found_in(line);
    });
  } else {
    fail_input(fmt::format("documents: '{}' is not a way to cut text into documents", rule), where,
               "one of auto, file, blank_line, lines:N, pieces:N, starts:REGEX");
  }
  std::erase_if(documents, [](const std::string& document) { return is_blank_line(document); });
  return documents;
}

}  // namespace peryton
