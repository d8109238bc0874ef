// Text to token ids and back.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace peryton {

// Immutable after construction; every function may be called from several threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Ids of `text`, with no token added at either end. Special tokens spelt in the text are
  // recognised. Throws kUserInput where the text is not UTF-8.
  virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
  // The bytes of the tokens, joined, special tokens spelt out; the space that SentencePiece puts in
  // front of a text is taken away again. Can end inside a UTF-8 character. Throws kUserInput for an
  // id outside the vocabulary; ids that name no token give nothing.
  virtual std::string decode(std::span<const std::int32_t> ids) const {
    return decode_continuation(ids);
  }
  // The same of tokens that go on a text that is there already: no space is taken away.
  std::string decode_continuation(std::span<const std::int32_t> ids) const;

  // Largest id + 1.
  virtual std::int32_t vocabulary_size() const = 0;
  // The token that stands between documents, if there is one.
  virtual std::optional<std::int32_t> end_of_text() const = 0;
  // Bytes that a token stands for; empty for an id that names no token.
  virtual const std::string& token_bytes(std::int32_t id) const = 0;
  // The contents of a Hugging Face tokenizer.json that behaves alike.
  virtual const std::string& json() const = 0;

  // xxh3 of json(): token files carry it, so that ids are never read with another vocabulary.
  std::uint64_t hash() const;
};

// Reads a Hugging Face tokenizer.json of the BPE kind: byte-level (GPT-2, GPT-NeoX, SmolLM, Llama
// 3) or SentencePiece's with byte fallback (Llama 2, Mistral, TinyLlama). `path`: the file, or a
// folder that holds it. Throws kUserInput naming the field that is not supported.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path);
// The same from the file's contents; `where` names it in errors.
std::unique_ptr<Tokenizer> parse_tokenizer(std::string json, const std::string& where);
// Ids 0..255 are the bytes, 256 is <|endoftext|>. Text must still be UTF-8.
std::unique_ptr<Tokenizer> byte_tokenizer();

}  // namespace peryton
