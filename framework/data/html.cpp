// SPDX-License-Identifier: Apache-2.0
#include "framework/data/html.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "framework/data/html_entities.h"

namespace peryton {
namespace {

constexpr std::array kSkipped = {"head", "script", "style", "nav", "template", "noscript"};
constexpr std::array kParagraphs = {"p",       "div",     "h1",     "h2",         "h3",    "h4",
                                    "h5",      "h6",      "ul",     "ol",         "table", "hr",
                                    "section", "article", "center", "blockquote", "pre",   "dl"};
constexpr std::array kLines = {"br", "li", "tr", "dt", "dd"};

template <class Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

struct Tag {
  std::string name, attributes;  // lower case
  bool closing = false;
  bool empty = false;  // <br/>
};

Tag parse_tag(std::string_view inside) {
  Tag tag;
  tag.closing = inside.starts_with('/');
  if (tag.closing) inside.remove_prefix(1);
  tag.empty = inside.ends_with('/');
  std::size_t end = 0;
  while (end < inside.size() && !is_space(inside[end]) && inside[end] != '/') ++end;
  tag.name = lower(inside.substr(0, end));
  tag.attributes = lower(inside.substr(end));
  return tag;
}

bool is_navigation(const Tag& tag) {
  for (const char* key : {"class=", "id=", "role="}) {
    const std::size_t at = tag.attributes.find(key);
    if (at == std::string::npos) continue;
    std::string_view value =
        std::string_view(tag.attributes).substr(at + std::string_view(key).size());
    if (!value.empty() && (value.front() == '"' || value.front() == '\'')) {
      value = value.substr(1, value.find(value.front(), 1) - 1);
    }
    if (value.find("navigation") != std::string_view::npos) return true;
  }
  return false;
}

class Converter {
 public:
  explicit Converter(std::string_view html) : html_(html) {}

  std::string run() {
    while (at_ < html_.size()) {
      if (html_[at_] == '<' && tag_or_comment()) continue;
      character();
    }
    while (!out_.empty() && is_space(out_.back())) out_.pop_back();
    if (!out_.empty()) out_ += '\n';
    return std::move(out_);
  }

 private:
  // Consumes a tag or comment at at_; false where the '<' is only a character.
  bool tag_or_comment() {
    const std::string_view rest = html_.substr(at_);
    if (rest.starts_with("<!--")) {
      skip_past("-->");
      return true;
    }
    if (rest.size() < 2) return false;
    const char next = rest[1];
    if (next == '!' || next == '?') {
      skip_past(">");
      return true;
    }
    if (std::isalpha(static_cast<unsigned char>(next)) == 0 && next != '/') return false;
    const std::size_t end = tag_end();
    const Tag tag = parse_tag(html_.substr(at_ + 1, end - at_ - 1));
    at_ = std::min(end + 1, html_.size());
    apply(tag);
    return true;
  }

  // The position of the '>' that closes the tag at at_, outside quotes.
  std::size_t tag_end() const {
    char quote = 0;
    for (std::size_t i = at_ + 1; i < html_.size(); ++i) {
      const char c = html_[i];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if ((c == '"' || c == '\'') && html_[i - 1] == '=') {
        quote = c;
      } else if (c == '>') {
        return i;
      }
    }
    return html_.size();
  }

  void skip_past(std::string_view mark) {
    const std::size_t end = html_.find(mark, at_);
    at_ = end == std::string_view::npos ? html_.size() : end + mark.size();
  }

  void apply(const Tag& tag) {
    if (!skipping_.empty()) {  // inside an element that is left out: follow its nesting only
      if (tag.name == skipping_ && !tag.empty) depth_ += tag.closing ? -1 : 1;
      if (depth_ == 0) skipping_.clear();
      return;
    }
    if (!tag.closing && !tag.empty && (contains(kSkipped, tag.name) || is_navigation(tag))) {
      skipping_ = tag.name;
      depth_ = 1;
      // What they hold is not HTML: only their end tag counts.
      if (tag.name == "script" || tag.name == "style") {
        at_ = std::min(html_.find("</" + tag.name, at_), html_.size());
      }
      return;
    }
    if (tag.name == "pre") preformatted_ = !tag.closing;
    if (contains(kParagraphs, tag.name)) line_ends_ = std::max(line_ends_, 2);
    if (contains(kLines, tag.name)) line_ends_ = std::max(line_ends_, 1);
    if (tag.name == "td" || tag.name == "th") space_ = true;
  }

  void character() {
    std::string decoded;
    std::size_t bytes = html_[at_] == '&' ? decode_entity(html_.substr(at_), decoded) : 0;
    if (bytes == 0) decoded = html_[at_], bytes = 1;
    at_ += bytes;
    if (!skipping_.empty()) return;
    if (decoded.size() == 1 && is_space(decoded[0])) {
      if (preformatted_) {
        put_preformatted(decoded[0]);
      } else {
        space_ = true;
      }
      return;
    }
    put(decoded);
  }

  void put_preformatted(char space) {
    if (space == '\n') {
      line_ends_ = std::max(line_ends_, 1);
    } else {
      put(" ");
    }
  }

  void put(std::string_view text) {
    if (line_ends_ > 0 && !out_.empty()) out_.append(static_cast<std::size_t>(line_ends_), '\n');
    if (line_ends_ == 0 && space_ && !out_.empty()) out_ += ' ';
    line_ends_ = 0;
    space_ = false;
    out_ += text;
  }

  std::string_view html_;
  std::size_t at_ = 0;
  std::string out_;
  std::string skipping_;  // the element that is left out, with depth_ of its kind open
  int depth_ = 0;
  int line_ends_ = 0;  // wanted before the next text
  bool space_ = false;
  bool preformatted_ = false;
};

}  // namespace

std::string html_to_text(std::string_view html) { return Converter(html).run(); }

}  // namespace peryton
