// SPDX-License-Identifier: Apache-2.0
#include "framework/data/metaspace.h"

#include <nlohmann/json.hpp>

#include "framework/core/error.h"
#include "framework/data/utf8.h"

namespace peryton {

MetaspaceFields read_metaspace(const nlohmann::json& field, const char* owner,
                               const std::string& where) {
  MetaspaceFields fields;
  fields.replacement = field.value("replacement", "\u2581");
  if (fields.replacement.empty() ||
      character_at(fields.replacement, 0).bytes != fields.replacement.size()) {
    fail_input(fmt::format("{}: the replacement of Metaspace is not one character", owner), where);
  }
  // Older files say add_prefix_space, newer ones prepend_scheme, some both.
  const bool prefix = field.value("add_prefix_space", true);
  const std::string scheme = field.value("prepend_scheme", prefix ? "always" : "never");
  if (scheme == "first") {
    fields.prepend = PrependScheme::kFirst;
  } else if (scheme == "never") {
    fields.prepend = PrependScheme::kNever;
  } else if (scheme != "always") {
    fail_input(fmt::format("{}: prepend_scheme '{}' is not supported", owner, scheme), where,
               "supported: first, always, never");
  }
  if (!prefix && fields.prepend != PrependScheme::kNever) {
    fail_input(fmt::format("{}: add_prefix_space and prepend_scheme disagree", owner), where);
  }
  const auto split = field.find("split");
  if (split != field.end() && !split->is_null()) fields.split = split->get<bool>();
  return fields;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  for (std::size_t at = 0;;) {
    const std::size_t found = text.find(from, at);
    result += text.substr(at, found - at);
    if (found == std::string_view::npos) return result;
    result += to;
    at = found + from.size();
  }
}

Metaspace::Metaspace(MetaspaceFields fields) : fields_(std::move(fields)) {
  if (fields_.split) {
    splitter_.emplace(Pattern::literal(fields_.replacement), SplitBehavior::kMergedWithNext, false);
  }
}

void Metaspace::for_each_word(std::string_view piece, bool first,
                              const std::function<void(std::string_view)>& word) const {
  std::string text = replace_all(piece, " ", fields_.replacement);
  const bool prepend = fields_.prepend == PrependScheme::kAlways ||
                       (fields_.prepend == PrependScheme::kFirst && first);
  if (prepend && !text.starts_with(fields_.replacement)) text.insert(0, fields_.replacement);
  if (!splitter_) return word(text);
  for (const std::string_view part : splitter_->split(text)) word(part);
}

}  // namespace peryton
