// What a pickle's instructions work on: values, a stack of them with marks, and a memo. Inner part
// of pickle_machine.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <unordered_map>

#include "framework/checkpoint/pickle_reader.h"
#include "framework/checkpoint/pickle_value.h"

namespace peryton::pickle {

// Every misuse (an empty stack, a value of a wrong kind) is the user's error: a malformed file.
class Stack {
 protected:
  Stack(std::span<const std::byte> pickle, const std::string& where) : reader_(pickle, where) {}

  const Value& only_value() {
    if (stack_.size() != 1) reader_.malformed("it does not end with one value");
    return *stack_.back();
  }
  Value& make(Kind kind) {
    arena_.emplace_back().kind = kind;
    return arena_.back();
  }
  void push(Value& value) { stack_.push_back(&value); }
  void push_integer(std::int64_t integer, Kind kind = Kind::kInteger) {
    Value& value = make(kind);
    value.integer = integer;
    push(value);
  }
  void push_text(std::string text) {
    Value& value = make(Kind::kText);
    value.text = std::move(text);
    push(value);
  }
  Value& pop() {
    if (stack_.empty() || stack_.back()->kind == Kind::kMark) {
      reader_.malformed("its stack is empty");
    }
    Value& value = *stack_.back();
    stack_.pop_back();
    return value;
  }
  Value& top(Kind kind) {
    if (stack_.empty() || stack_.back()->kind != kind) reader_.malformed("a value of a wrong kind");
    return *stack_.back();
  }
  std::vector<Value*> pop_to_mark();
  void push_tuple(std::vector<Value*> items) {
    Value& value = make(Kind::kTuple);
    value.items = std::move(items);
    push(value);
  }
  void push_small_tuple(std::size_t count) {
    std::vector<Value*> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = &pop();
    push_tuple(std::move(items));
  }
  void push_long(std::size_t count);
  void set_items(const std::vector<Value*>& items);
  void remember(std::uint64_t key) {
    if (stack_.empty()) reader_.malformed("its stack is empty");
    memo_[key] = stack_.back();
  }
  void remember_next() { remember(memo_.size()); }
  void recall(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) reader_.malformed("it recalls what it never stored");
    stack_.push_back(found->second);
  }

  PickleReader reader_;

 private:
  std::deque<Value> arena_;
  std::vector<Value*> stack_;
  std::unordered_map<std::uint64_t, Value*> memo_;
};

}  // namespace peryton::pickle
