// A typed cursor over a YAML document. It knows the path of keys that led to it, collects every
// mistake instead of stopping at the first, and remembers which keys were asked for, so that
// finish() can name the ones that nobody knows.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "framework/config/amount.h"
#include "framework/config/enum_names.h"
#include "framework/config/names.h"
#include "framework/config/yaml_value.h"

namespace peryton {

// The mistakes found so far.
class Mistakes {
 public:
  void add(const std::string& where, const std::string& message, const std::string& hint = "");
  bool empty() const { return list_.empty(); }
  // One Error kUserInput that tells all of them, in the order found; nothing when there are none.
  void throw_if_any() const;

 private:
  struct Mistake {
    std::string where, message, hint;
  };
  std::vector<Mistake> list_;
};

// All readers of a key leave `target` alone when the key is missing, and when its value is wrong
// (which is then among the mistakes). A null value ("key:" with nothing after it) is a mistake.
class Node {
 public:
  Node(YamlPtr value, std::string path, Mistakes& mistakes);

  bool exists() const { return value_ != nullptr; }
  explicit operator bool() const { return exists(); }
  bool is_map() const { return exists() && value_->kind == YamlValue::Kind::kMap; }
  bool is_list() const { return exists() && value_->kind == YamlValue::Kind::kList; }
  bool is_text() const { return exists() && value_->kind == YamlValue::Kind::kText; }
  const std::string& path() const { return path_; }  // "stages[2].alpha.lr"
  std::string where() const { return exists() ? value_->where : ""; }
  const YamlPtr& value() const { return value_; }
  void mistake(const std::string& message, const std::string& hint = "") const;

  // The value under a key of a map; counts as read.
  Node at(const std::string& key) const;
  bool has(const std::string& key) const;  // does not count as read
  // A sub-map; when there but not a map, that is a mistake and the result does not exist.
  Node section(const std::string& key) const;
  std::vector<Node> items() const;  // of a list
  // Keys and values of a map in the order written; all count as read.
  std::vector<std::pair<std::string, Node>> pairs() const;
  std::string where_of_key(const std::string& key) const;

  // This value itself; false and a mistake when it is something else.
  bool to_text(std::string& target) const;
  bool to_number(double& target, double low, double high) const;
  bool to_count(std::int64_t& target, std::int64_t low, std::int64_t high) const;
  bool to_flag(bool& target) const;
  bool to_interval(Interval& target) const;
  bool to_texts(std::vector<std::string>& target) const;  // one text, or a list of them

  void text(const std::string& key, std::string& target) const;
  void texts(const std::string& key, std::vector<std::string>& target) const;
  void number(const std::string& key, double& target, double low, double high) const;
  void count(const std::string& key, std::int64_t& target, std::int64_t low,
             std::int64_t high = std::numeric_limits<std::int64_t>::max()) const;
  void flag(const std::string& key, bool& target) const;
  void interval(const std::string& key, Interval& target) const;
  template <class E>
  void choice(const std::string& key, E& target) const;

  // Keys of this map that no reader asked for are mistakes. `elsewhere` maps keys to where they
  // belong
  // ("in a stage of kind evaluate").
  void finish(const std::map<std::string, std::string>& elsewhere = {}) const;

 private:
  bool expect_text(const char* wanted) const;

  YamlPtr value_;
  std::string path_;
  Mistakes* mistakes_;
  std::shared_ptr<std::set<std::string>> asked_;
};

template <class E>
void Node::choice(const std::string& key, E& target) const {
  std::string word;
  const Node node = at(key);
  if (!node || !node.to_text(word)) return;
  std::vector<std::string> known;
  for (const auto& [name, value] : names_of(E{})) {
    if (name == word) {
      target = value;
      return;
    }
    known.push_back(name);
  }
  node.mistake("unknown value '" + word + "' of " + node.path(), suggest(word, known));
}

}  // namespace peryton
