// SPDX-License-Identifier: Apache-2.0
#include "framework/data/documents.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "framework/core/error.h"
#include "framework/data/html.h"
#include "framework/data/json_lines.h"
#include "framework/data/utf8.h"
#include "framework/data/whole_file.h"

namespace peryton {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

enum class Kind { kText, kHtml, kJsonLines, kOther };

Kind kind_of(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (extension == ".jsonl" || extension == ".ndjson") return Kind::kJsonLines;
  if (extension == ".html" || extension == ".htm") return Kind::kHtml;
  const std::array text = {".txt", ".text", ".md"};
  return std::find(text.begin(), text.end(), extension) != text.end() ? Kind::kText : Kind::kOther;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

// The number of documents.
std::int64_t read_json_lines(const std::filesystem::path& path, const SourceSettings& source,
                             const std::function<void(Document&&)>& take) {
  std::int64_t documents = 0;
  for_each_json_line(path, [&](const nlohmann::json& line, const std::string& where) {
    Document document;
    document.origin = where;
    const bool prompted = !source.prompt_field.empty();
    if (prompted) document.prompt = json_text_field(line, source.prompt_field, where);
    document.text = json_text_field(line, prompted ? source.completion_field : source.field, where);
    if (is_blank(document.text)) return;
    take(std::move(document));
    ++documents;
  });
  return documents;
}

// What "auto" means for a file.
std::string rule_for(const std::filesystem::path& path, const SourceSettings& source, bool html,
                     std::size_t bytes) {
  if (source.documents != "auto") return source.documents;
  if (html) return "file";
  // A file that is a source by itself must be divisible between training, validation and test.
  constexpr std::size_t kWhole = 4096, kParts = 64;
  if (path != source.path || bytes <= kWhole) return "auto";
  return fmt::format("pieces:{}", std::clamp<std::size_t>(bytes / kParts, 512, 8192));
}

std::int64_t read_text(const std::filesystem::path& path, const SourceSettings& source, bool html,
                       const std::function<void(Document&&)>& take) {
  std::string text = read_whole_file(path);
  check_utf8(text, path.string());
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  if (html) text = html_to_text(text);
  const std::string rule = rule_for(path, source, html, text.size());
  auto parts = split_into_documents(std::move(text), rule, source.where);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    take({"", std::move(parts[i]), fmt::format("{} document {}", path.string(), i + 1)});
  }
  return static_cast<std::int64_t>(parts.size());
}

void check_fields(const SourceSettings& source, bool json_lines) {
  if (source.prompt_field.empty() != source.completion_field.empty()) {
    fail_input("a prompt field without a completion field, or the reverse", source.where);
  }
  if (!json_lines && !source.prompt_field.empty()) {
    fail_input(fmt::format("'{}' is not JSONL, so it has no prompt field", source.path),
               source.where);
  }
}

}  // namespace

std::vector<std::filesystem::path> source_files(const SourceSettings& source) {
  namespace fs = std::filesystem;
  std::error_code error;
  const std::string where = source.where.empty() ? source.path : source.where;
  if (!fs::exists(source.path, error)) {
    fail_input(fmt::format("no such file or folder: '{}'", source.path), source.where,
               "paths are relative to the folder in which the program is started");
  }
  if (!fs::is_directory(source.path)) return {source.path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(source.path)) {
    if (entry.is_regular_file() && kind_of(entry.path()) != Kind::kOther)
      files.push_back(entry.path());
  }
  if (files.empty()) {
    fail_input(fmt::format("no text in the folder '{}'", source.path), where,
               "looked for .txt, .text, .md, .html, .htm, .jsonl and .ndjson");
  }
  std::sort(files.begin(), files.end());
  return files;
}

void for_each_document(const SourceSettings& source, const std::function<void(Document&&)>& take) {
  const auto files = source_files(source);
  std::int64_t documents = 0;
  for (const auto& file : files) {
    const Kind kind = source.json_lines ? Kind::kJsonLines : kind_of(file);
    check_fields(source, kind == Kind::kJsonLines);
    documents += kind == Kind::kJsonLines ? read_json_lines(file, source, take)
                                          : read_text(file, source, kind == Kind::kHtml, take);
  }
  if (documents == 0) {
    fail_input(files.size() == 1 ? "the file has no text" : "the files have no text", source.path);
  }
}

std::vector<Document> read_documents(const SourceSettings& source) {
  std::vector<Document> documents;
  for_each_document(source, [&](Document&& document) { documents.push_back(std::move(document)); });
  return documents;
}

}  // namespace peryton
