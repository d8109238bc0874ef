// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/pickle_stack.h"

namespace peryton::pickle {

std::vector<Value*> Stack::pop_to_mark() {
  for (std::size_t i = stack_.size(); i-- > 0;) {
    if (stack_[i]->kind != Kind::kMark) continue;
    std::vector<Value*> items(stack_.begin() + static_cast<std::ptrdiff_t>(i) + 1, stack_.end());
    stack_.resize(i);
    return items;
  }
  reader_.malformed("no mark on its stack");
}

// Two's complement, little-endian, of any length up to 8.
void Stack::push_long(std::size_t count) {
  if (count > 8) reader_.malformed("an integer beyond 64 bits");
  const auto bytes = reader_.take(count);
  std::uint64_t value =
      count > 0 && (std::to_integer<unsigned>(bytes[count - 1]) & 0x80) ? ~0ull : 0;
  for (std::size_t i = count; i-- > 0;) {
    value = (value << 8) | std::to_integer<std::uint64_t>(bytes[i]);
  }
  push_integer(static_cast<std::int64_t>(value));
}

void Stack::set_items(const std::vector<Value*>& items) {
  if (items.size() % 2 != 0) reader_.malformed("a key without a value");
  Value& dictionary = top(Kind::kDictionary);
  for (std::size_t i = 0; i < items.size(); i += 2) {
    dictionary.pairs.emplace_back(items[i], items[i + 1]);
  }
}

}  // namespace peryton::pickle
