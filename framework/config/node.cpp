// SPDX-License-Identifier: Apache-2.0
#include "framework/config/node.h"

#include <fmt/format.h>

#include "framework/config/units.h"
#include "framework/core/error.h"

namespace peryton {

void Mistakes::add(const std::string& where, const std::string& message, const std::string& hint) {
  for (const Mistake& known : list_) {  // a stage with `each:` is looked at once per model
    if (known.where == where && known.message == message) return;
  }
  list_.push_back({where, message, hint});
}

void Mistakes::throw_if_any() const {
  if (list_.empty()) return;
  std::string message = list_.front().message;
  if (list_.size() == 1) fail_input(message, list_.front().where, list_.front().hint);
  const auto with_hint = [](const Mistake& mistake) {
    return mistake.hint.empty() ? "" : " (hint: " + mistake.hint + ")";
  };
  message += with_hint(list_.front());
  for (std::size_t i = 1; i < list_.size(); ++i) {
    message += fmt::format("\n{}: {}{}", list_[i].where, list_[i].message, with_hint(list_[i]));
  }
  fail_input(message, list_.front().where, fmt::format("{} mistakes in all", list_.size()));
}

Node::Node(YamlPtr value, std::string path, Mistakes& mistakes)
    : value_(std::move(value)),
      path_(std::move(path)),
      mistakes_(&mistakes),
      asked_(std::make_shared<std::set<std::string>>()) {}

void Node::mistake(const std::string& message, const std::string& hint) const {
  mistakes_->add(where(), message, hint);
}

bool Node::has(const std::string& key) const { return is_map() && value_->find(key) != nullptr; }

Node Node::at(const std::string& key) const {
  asked_->insert(key);
  const std::string path = path_.empty() ? key : path_ + "." + key;
  YamlEntry* entry = is_map() ? value_->find(key) : nullptr;
  if (entry == nullptr) return Node(nullptr, path, *mistakes_);
  if (entry->value->kind == YamlValue::Kind::kNull) {
    mistakes_->add(entry->where, "'" + path + "' has no value");
    return Node(nullptr, path, *mistakes_);
  }
  return Node(entry->value, path, *mistakes_);
}

Node Node::section(const std::string& key) const {
  const Node node = at(key);
  if (!node || node.is_map()) return node;
  node.mistake(
      fmt::format("'{}' must be a map of keys, not {}", node.path_, node.value_->kind_name()));
  return Node(nullptr, node.path_, *mistakes_);
}

std::vector<Node> Node::items() const {
  std::vector<Node> result;
  if (!is_list()) return result;
  for (std::size_t i = 0; i < value_->items.size(); ++i) {
    result.emplace_back(value_->items[i], fmt::format("{}[{}]", path_, i), *mistakes_);
  }
  return result;
}

std::vector<std::pair<std::string, Node>> Node::pairs() const {
  std::vector<std::pair<std::string, Node>> result;
  if (!is_map()) return result;
  for (const YamlEntry& entry : value_->entries) {
    Node node = at(entry.key);
    if (node) result.emplace_back(entry.key, node);
  }
  return result;
}

std::string Node::where_of_key(const std::string& key) const {
  YamlEntry* entry = is_map() ? value_->find(key) : nullptr;
  return entry != nullptr ? entry->where : where();
}

bool Node::expect_text(const char* wanted) const {
  if (is_text()) return true;
  mistake(fmt::format("'{}' must be {}, not {}", path_, wanted, value_->kind_name()));
  return false;
}

bool Node::to_text(std::string& target) const {
  if (!expect_text("text")) return false;
  if (value_->text.empty()) {
    mistake("'" + path_ + "' is empty");
    return false;
  }
  target = value_->text;
  return true;
}

bool Node::to_number(double& target, double low, double high) const {
  if (!expect_text("a number")) return false;
  const auto number = value_->quoted ? std::nullopt : parse_number(value_->text);
  if (!number) {
    mistake(fmt::format("'{}' must be a number, not '{}'", path_, value_->text),
            "numbers are written 0.5, 3e-4 or 2%, without quotes");
    return false;
  }
  if (*number < low || *number > high) {
    mistake(fmt::format("'{}' is {}, out of range", path_, value_->text),
            fmt::format("it lies between {} and {}", low, high));
    return false;
  }
  target = *number;
  return true;
}

bool Node::to_count(std::int64_t& target, std::int64_t low, std::int64_t high) const {
  if (!expect_text("a whole number")) return false;
  const auto number = value_->quoted ? std::nullopt : parse_count(value_->text);
  if (!number) {
    mistake(fmt::format("'{}' must be a whole number, not '{}'", path_, value_->text),
            "counts are written 512, 100k, 5M or 1e6, without quotes");
    return false;
  }
  if (*number < low || *number > high) {
    const bool open = high == std::numeric_limits<std::int64_t>::max();
    mistake(fmt::format("'{}' is {}, out of range", path_, value_->text),
            open ? fmt::format("it is at least {}", low)
                 : fmt::format("it lies between {} and {}", low, high));
    return false;
  }
  target = *number;
  return true;
}

bool Node::to_flag(bool& target) const {
  if (!expect_text("true or false")) return false;
  const bool yes = value_->text == "true";
  if (value_->quoted || (!yes && value_->text != "false")) {
    mistake(fmt::format("'{}' must be true or false, not '{}'", path_, value_->text));
    return false;
  }
  target = yes;
  return true;
}

bool Node::to_interval(Interval& target) const {
  if (!expect_text("a number of steps or a percentage")) return false;
  const auto interval = value_->quoted ? std::nullopt : parse_interval(value_->text);
  if (!interval) {
    mistake(fmt::format("'{}' must be a number of steps or a percentage, not '{}'", path_,
                        value_->text),
            "written 50, or 2% of the stage's steps; 0 is never");
    return false;
  }
  target = *interval;
  return true;
}

bool Node::to_texts(std::vector<std::string>& target) const {
  std::vector<std::string> read;
  if (!is_list()) {
    read.emplace_back();
    if (!expect_text("a name or a list of names") || !to_text(read.back())) return false;
  }
  for (const Node& item : items()) {
    read.emplace_back();
    if (!item.to_text(read.back())) return false;
  }
  target = std::move(read);
  return true;
}

void Node::text(const std::string& key, std::string& target) const {
  if (const Node node = at(key)) node.to_text(target);
}

void Node::texts(const std::string& key, std::vector<std::string>& target) const {
  if (const Node node = at(key)) node.to_texts(target);
}

void Node::number(const std::string& key, double& target, double low, double high) const {
  if (const Node node = at(key)) node.to_number(target, low, high);
}

void Node::count(const std::string& key, std::int64_t& target, std::int64_t low,
                 std::int64_t high) const {
  if (const Node node = at(key)) node.to_count(target, low, high);
}

void Node::flag(const std::string& key, bool& target) const {
  if (const Node node = at(key)) node.to_flag(target);
}

void Node::interval(const std::string& key, Interval& target) const {
  if (const Node node = at(key)) node.to_interval(target);
}

void Node::finish(const std::map<std::string, std::string>& elsewhere) const {
  if (!is_map()) return;
  const std::vector<std::string> known(asked_->begin(), asked_->end());
  for (const YamlEntry& entry : value_->entries) {
    if (asked_->count(entry.key) != 0) continue;
    const std::string path = path_.empty() ? entry.key : path_ + "." + entry.key;
    const auto other = elsewhere.find(entry.key);
    const std::string hint =
        other != elsewhere.end() ? "it belongs " + other->second : suggest(entry.key, known);
    mistakes_->add(entry.where, "unknown key '" + path + "'", hint);
  }
}

}  // namespace peryton
