// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/pickle_machine.h"

#include "framework/checkpoint/pickle_stack.h"
#include "framework/core/error.h"

namespace peryton {
namespace {

using pickle::Kind;
using pickle::Value;

// A table of a thousand tensors takes 0.2 MB; values take far more memory than the text they come
// from.
constexpr std::size_t kMaxPickleBytes = std::size_t{16} << 20;

class Machine : private pickle::Stack {
 public:
  Machine(std::span<const std::byte> pickle, const std::string& where) : Stack(pickle, where) {}

  const Value& run() {
    while (step(static_cast<unsigned char>(reader_.take(1)[0]))) {
    }
    return only_value();
  }

 private:
  bool step(unsigned char opcode);
  bool step_literal(unsigned char opcode);
  bool step_container(unsigned char opcode);
  bool step_object(unsigned char opcode);

  void push_global(const std::string& module, const std::string& name);
};

void Machine::push_global(const std::string& module, const std::string& name) {
  const std::string full = module + "." + name;
  if (!pickle::is_known_global(full)) {
    reader_.forbidden("the file asks for '" + pickle::printable(full) + "'");
  }
  Value& value = make(Kind::kGlobal);
  value.text = full;
  push(value);
}

bool Machine::step(unsigned char opcode) {
  if (opcode == '.') return false;  // STOP
  if (opcode == 0x80) {             // PROTO
    if (reader_.number<std::uint8_t>() > 5) reader_.malformed("an unknown protocol");
    return true;
  }
  if (step_literal(opcode) || step_container(opcode) || step_object(opcode)) return true;
  reader_.forbidden(fmt::format("the file uses the pickle instruction 0x{:02x}", opcode));
}

bool Machine::step_literal(unsigned char opcode) {
  switch (opcode) {
    case 'N':
      push(make(Kind::kNone));
      return true;
    case 0x88:
      push_integer(1, Kind::kBool);
      return true;
    case 0x89:
      push_integer(0, Kind::kBool);
      return true;
    case 'J':
      push_integer(reader_.number<std::int32_t>());
      return true;  // BININT
    case 'K':
      push_integer(reader_.number<std::uint8_t>());
      return true;  // BININT1
    case 'M':
      push_integer(reader_.number<std::uint16_t>());
      return true;  // BININT2
    case 0x8a:
      push_long(reader_.number<std::uint8_t>());
      return true;  // LONG1
    case 'G':
      reader_.take(8);
      push(make(Kind::kReal));
      return true;  // BINFLOAT: none is ever used
    case 'X':
      push_text(reader_.text(reader_.number<std::uint32_t>()));
      return true;
    case 0x8c:
      push_text(reader_.text(reader_.number<std::uint8_t>()));
      return true;
    case 0x8d:
      push_text(reader_.text(reader_.number<std::uint64_t>()));
      return true;
    case 'U':
      push_text(reader_.text(reader_.number<std::uint8_t>()));
      return true;  // Python 2 text
    case 'T':
      push_text(reader_.text(reader_.number<std::uint32_t>()));
      return true;
    default:
      return false;
  }
}

bool Machine::step_container(unsigned char opcode) {
  switch (opcode) {
    case '(':
      push(make(Kind::kMark));
      return true;
    case ')':
      push_tuple({});
      return true;
    case 't':
      push_tuple(pop_to_mark());
      return true;
    case 0x85:
      push_small_tuple(1);
      return true;
    case 0x86:
      push_small_tuple(2);
      return true;
    case 0x87:
      push_small_tuple(3);
      return true;
    case ']':
      push(make(Kind::kList));
      return true;
    case '}':
      push(make(Kind::kDictionary));
      return true;
    case 'a': {  // APPEND
      Value& item = pop();
      top(Kind::kList).items.push_back(&item);
      return true;
    }
    case 'e': {  // APPENDS
      const auto items = pop_to_mark();
      auto& list = top(Kind::kList).items;
      list.insert(list.end(), items.begin(), items.end());
      return true;
    }
    case 's': {  // SETITEM
      Value& value = pop();
      Value& key = pop();
      set_items({&key, &value});
      return true;
    }
    case 'u':
      set_items(pop_to_mark());
      return true;
    default:
      return false;
  }
}

bool Machine::step_object(unsigned char opcode) {
  switch (opcode) {
    case 'c': {  // GLOBAL
      const std::string module = reader_.line();
      push_global(module, reader_.line());
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const std::string name = pop().text;
      push_global(pop().text, name);
      return true;
    }
    case 'R': {  // REDUCE
      const Value& arguments = pop();
      const Value& function = pop();
      if (function.kind != Kind::kGlobal)
        reader_.forbidden("the file calls something that is no function");
      Value& result = make(Kind::kNone);
      if (!pickle::apply(function.text, arguments, result)) {
        reader_.malformed("'" + function.text + "' with arguments it does not take");
      }
      push(result);
      return true;
    }
    case 'b': {  // BUILD: a state_dict carries an attribute _metadata, which says nothing about
                 // weights
      pop();
      top(Kind::kDictionary);
      return true;
    }
    case 'Q': {  // BINPERSID
      const Value& id = pop();
      Value& storage = make(Kind::kStorage);
      if (!pickle::storage_from_id(id, storage))
        reader_.malformed("a reference that is no storage");
      push(storage);
      return true;
    }
    case 'q':
      remember(reader_.number<std::uint8_t>());
      return true;
    case 'r':
      remember(reader_.number<std::uint32_t>());
      return true;
    case 0x94:
      remember_next();
      return true;  // MEMOIZE
    case 'h':
      recall(reader_.number<std::uint8_t>());
      return true;
    case 'j':
      recall(reader_.number<std::uint32_t>());
      return true;
    case 0x95:
      reader_.take(8);
      return true;  // FRAME
    default:
      return false;
  }
}

}  // namespace

std::map<std::string, PickledTensor> read_tensor_pickle(std::span<const std::byte> pickle,
                                                        const std::string& where) {
  if (pickle.size() > kMaxPickleBytes) fail_input("its data.pkl is impossibly large", where);
  Machine machine(pickle, where);
  const Value& root = machine.run();
  if (root.kind != Kind::kDictionary) {
    fail_input("does not hold a dictionary of tensors", where, "save model.state_dict()");
  }
  std::map<std::string, PickledTensor> tensors;
  for (const auto& [key, value] : root.pairs) {
    if (key->kind != Kind::kText) fail_input("has a tensor whose name is not text", where);
    if (value->kind != Kind::kTensor) {
      fail_input(fmt::format("'{}' is not a tensor", pickle::printable(key->text)), where,
                 "save model.state_dict() alone, without optimiser or settings");
    }
    tensors[key->text] = value->tensor;
  }
  return tensors;
}

}  // namespace peryton
