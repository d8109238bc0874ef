// Values on the stack of the pickle machine. Inner part of pickle_machine.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "framework/checkpoint/pickle_machine.h"

namespace peryton::pickle {

enum class Kind {
  kMark,
  kNone,
  kBool,
  kInteger,
  kReal,
  kText,
  kTuple,
  kList,
  kDictionary,
  kGlobal,
  kStorage,
  kTensor
};

// All values of one pickle live in one arena and refer to each other by plain pointers, so neither
// cycles nor deep nesting in a hostile file can leak or exhaust the stack.
struct Value {
  Kind kind = Kind::kNone;
  std::int64_t integer = 0;
  std::string text;                              // kText; kGlobal: "module.name"
  std::vector<Value*> items;                     // kTuple, kList
  std::vector<std::pair<Value*, Value*>> pairs;  // kDictionary
  PickledTensor tensor;                          // kTensor; kStorage: dtype, key and elements
};

// True for the classes and functions that a table of tensors may name.
bool is_known_global(const std::string& name);
// Fills `result` with the meaning of calling `function` with `arguments` (a tuple). False: the
// arguments do not make sense for that function.
bool apply(const std::string& function, const Value& arguments, Value& result);
// ('storage', class, key, location, elements) -> kStorage. False: not such a tuple.
bool storage_from_id(const Value& id, Value& result);

}  // namespace peryton::pickle
