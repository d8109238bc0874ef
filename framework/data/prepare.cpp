// SPDX-License-Identifier: Apache-2.0
#include "framework/data/prepare.h"

#include <filesystem>

#include "framework/core/error.h"
#include "framework/data/bpe_trainer.h"
#include "framework/data/data_manifest.h"
#include "framework/data/document_encoder.h"
#include "framework/data/documents.h"
#include "framework/data/split.h"
#include "framework/data/whole_file.h"

namespace peryton {
namespace {

// All documents of all sources, with the source and the side of each.
struct Corpus {
  std::vector<Document> documents;
  std::vector<std::size_t> source;
  std::vector<Side> side;
};

Corpus read_corpus(const DataSettings& settings, const DataProgress& progress) {
  Corpus corpus;
  const auto sources = static_cast<std::int64_t>(settings.sources.size());
  for (std::size_t s = 0; s < settings.sources.size(); ++s) {
    if (progress) progress("read", static_cast<std::int64_t>(s), sources);
    for_each_document(settings.sources[s], [&](Document&& document) {
      corpus.documents.push_back(std::move(document));
      corpus.source.push_back(s);
    });
  }
  if (progress) progress("read", sources, sources);
  corpus.side = split_documents(corpus.documents, settings.split, settings.seed, settings.threads);
  return corpus;
}

std::unique_ptr<Tokenizer> make_tokenizer(const DataSettings& settings, const Corpus& corpus,
                                          const DataProgress& progress) {
  const TokenizerSettings& wanted = settings.tokenizer;
  if (wanted.kind == TokenizerSettings::Kind::kByte) return byte_tokenizer();
  if (wanted.kind == TokenizerSettings::Kind::kLoad) return load_tokenizer(wanted.path);
  std::vector<std::string_view> texts;
  for (std::size_t d = 0; d < corpus.documents.size(); ++d) {
    if (corpus.side[d] != Side::kTrain) continue;
    if (!corpus.documents[d].prompt.empty()) texts.push_back(corpus.documents[d].prompt);
    texts.push_back(corpus.documents[d].text);
  }
  const BpeTraining training{.vocabulary = wanted.vocabulary,
                             .split_digits = wanted.split_digits,
                             .threads = settings.threads};
  const auto report = [&](std::int64_t done, std::int64_t total) {
    if (progress) progress("learn vocabulary", done, total);
  };
  return parse_tokenizer(train_bpe(texts, training, report), "learnt tokenizer");
}

class TokenFiles {
 public:
  TokenFiles(const DataSettings& settings, const Corpus& corpus, const Tokenizer& tokenizer,
             const std::filesystem::path& folder, const DataProgress& progress)
      : settings_(settings),
        corpus_(corpus),
        tokenizer_(tokenizer),
        folder_(folder),
        progress_(progress) {
    for (const auto& document : corpus.documents) {
      total_ += static_cast<std::int64_t>(document.prompt.size() + document.text.size());
    }
  }

  // Writes the documents of a side (of one source, or of all: npos); false where there are none.
  bool write(const std::string& name, Side side, std::size_t source) {
    constexpr std::size_t kAll = std::string::npos;
    std::vector<std::size_t> chosen;
    bool mask = false;
    for (std::size_t d = 0; d < corpus_.documents.size(); ++d) {
      if (corpus_.side[d] != side || (source != kAll && corpus_.source[d] != source)) continue;
      chosen.push_back(d);
      mask |= !settings_.sources[corpus_.source[d]].prompt_field.empty();
    }
    if (chosen.empty()) return false;
    TokenFileWriter writer(folder_ / name, token_file_settings(tokenizer_, mask));
    std::int64_t bytes = 0;
    DocumentEncoder encoder(tokenizer_, writer, settings_.threads, [&](std::int64_t so_far) {
      bytes = so_far;
      if (progress_) progress_("tokenize", done_ + so_far, total_);
    });
    for (const std::size_t d : chosen) encoder.add(corpus_.documents[d]);
    encoder.finish();
    done_ += bytes;
    return true;
  }

 private:
  const DataSettings& settings_;
  const Corpus& corpus_;
  const Tokenizer& tokenizer_;
  const std::filesystem::path& folder_;
  const DataProgress& progress_;
  std::int64_t done_ = 0, total_ = 0;
};

void check(const DataSettings& settings) {
  if (settings.sources.empty())
    fail_input("no data sources", "", "write `data: {sources: [{path: ...}]}`");
  int weighted = 0;
  for (const auto& source : settings.sources) {
    if (!(source.weight >= 0)) fail_input("a weight must not be negative", source.where);
    weighted += source.weight > 0 ? 1 : 0;
  }
  if (weighted != 0 && weighted != static_cast<int>(settings.sources.size())) {
    fail_input("a weight is given for some sources only", settings.sources.front().where,
               "give every source a weight, or none");
  }
}

}  // namespace

PreparedData prepare_data(const DataSettings& settings, const std::filesystem::path& folder,
                          const DataProgress& progress) {
  check(settings);
  const std::string key = data_settings_key(settings);
  if (auto done = read_data_manifest(folder, key)) {
    done->reused = true;
    return *done;
  }
  const Corpus corpus = read_corpus(settings, progress);
  const auto tokenizer = make_tokenizer(settings, corpus, progress);
  token_file_settings(*tokenizer, false);  // fails before anything is written
  std::filesystem::create_directories(folder);
  remove_data_manifest(folder);  // from here on the folder is not finished
  write_whole_file(folder / "tokenizer.json", tokenizer->json());
  PreparedData data{.folder = folder, .tokenizer = folder / "tokenizer.json"};
  TokenFiles files(settings, corpus, *tokenizer, folder, progress);
  for (std::size_t s = 0; s < settings.sources.size(); ++s) {
    const std::string name = fmt::format("train-{}.tokens", s);
    if (!files.write(name, Side::kTrain, s)) continue;
    data.train.push_back({folder / name, settings.sources[s].weight});
  }
  if (files.write("validation.tokens", Side::kValidation, std::string::npos)) {
    data.validation = folder / "validation.tokens";
  }
  if (files.write("test.tokens", Side::kTest, std::string::npos))
    data.test = folder / "test.tokens";
  write_data_manifest(data, key, *tokenizer);
  return *read_data_manifest(folder, key);
}

PreparedData open_prepared_data(const std::filesystem::path& folder) {
  auto data = read_data_manifest(folder, "");
  if (!data)
    fail_input("no finished data in this folder", folder.string(), "prepare the data again");
  return *data;
}

TokenSource training_source(const PreparedData& data, std::uint64_t seed) {
  std::vector<WeightedTokenFile> files;
  for (const auto& train : data.train)
    files.push_back({TokenFile::open(train.path, true), train.weight});
  return TokenSource(std::move(files), seed);
}

}  // namespace peryton
