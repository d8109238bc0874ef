// SPDX-License-Identifier: Apache-2.0
#include "framework/data/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "framework/core/error.h"
#include "framework/data/utf8.h"

namespace peryton {
namespace {

// The inside of a character class: White_Space, and word characters as Unicode's annex 18 has them.
constexpr const char* kSpaces =
    "\\x{09}-\\x{0D}\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}"
    "\\x{205F}\\x{3000}";
constexpr const char* kWords =
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24B6}-\\x{24E9}\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}"
    "\\x{1F170}-\\x{1F189}";

std::string translate_escape(char letter, bool in_class) {
  const auto as_class = [&](const char* inside, const char* open) {
    return in_class ? std::string(inside) : open + std::string(inside) + "]";
  };
  if (letter == 's') return as_class(kSpaces, "[");
  if (letter == 'w') return as_class(kWords, "[");
  if (letter == 'S' && !in_class) return as_class(kSpaces, "[^");
  if (letter == 'W' && !in_class) return as_class(kWords, "[^");
  return {'\\', letter};
}

std::string translate(const std::string& expression) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    if (c == '\\' && i + 1 < expression.size()) {
      out += translate_escape(expression[++i], in_class);
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    out += c;
  }
  return out;
}

pcre2_code* code_of(const std::shared_ptr<void>& code) {
  return static_cast<pcre2_code*>(code.get());
}

}  // namespace

// One search over one text.
class Pattern::Search {
 public:
  Search(pcre2_code* code, std::string_view text)
      : code_(code), text_(text), data_(pcre2_match_data_create(1, nullptr)) {}
  ~Search() { pcre2_match_data_free(data_); }
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  // The leftmost match at or behind `from`.
  bool next(std::size_t from) {
    int result = run(from, 0);
    // Deep backtracking can exceed the compiled matcher's stack; the interpreter uses the heap.
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = run(from, PCRE2_NO_JIT);
    if (result == PCRE2_ERROR_NOMATCH) return false;
    if (result < 0) fail_system(fmt::format("regular expression search failed (PCRE2 {})", result));
    return true;
  }
  std::size_t begin() const { return pcre2_get_ovector_pointer(data_)[0]; }
  std::size_t end() const { return pcre2_get_ovector_pointer(data_)[1]; }

 private:
  int run(std::size_t from, std::uint32_t options) {
    return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(), from,
                       PCRE2_NO_UTF_CHECK | options, data_, nullptr);
  }

  pcre2_code* code_;
  std::string_view text_;
  pcre2_match_data* data_;
};

Pattern::Pattern(const std::string& expression, const std::string& where) {
  const std::string translated = translate(expression);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset, nullptr);
  if (code == nullptr) {
    unsigned char message[200] = "";
    pcre2_get_error_message(error, message, sizeof message);
    fail_input(fmt::format("regular expression '{}': {}", expression,
                           reinterpret_cast<const char*>(message)),
               where);
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it matching is slower, not different
  code_ =
      std::shared_ptr<void>(code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); });
}

Pattern Pattern::literal(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}-# ").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return Pattern(escaped, "");
}

void Pattern::for_each_match(std::string_view text,
                             const std::function<void(std::size_t, std::size_t)>& match) const {
  Search search(code_of(code_), text);
  std::size_t from = 0, last_end = std::string_view::npos;
  while (from <= text.size() && search.next(from)) {
    if (search.begin() == search.end() && search.end() == last_end) {
      if (last_end >= text.size()) return;
      from = last_end + character_at(text, last_end).bytes;
      last_end = std::string_view::npos;
      continue;
    }
    from = last_end = search.end();
    match(search.begin(), search.end());
  }
}

bool Pattern::found_in(std::string_view text) const { return Search(code_of(code_), text).next(0); }

}  // namespace peryton
