// SPDX-License-Identifier: Apache-2.0
#include "framework/data/prepare.h"

#include <gtest/gtest.h>

#include "framework/data/whole_file.h"
#include "tests/framework/data/test_folder.h"

namespace peryton {
namespace {

std::string corpus() {
  return read_whole_file(std::filesystem::path(PERYTON_GOLDEN_DIR) / "tokenizers" / "corpus.txt");
}

DataSettings settings_of(const TestFolder& folder) {
  DataSettings settings;
  settings.sources.resize(2);
  settings.sources[0].path = folder.file("in/a.txt", corpus());
  settings.sources[0].documents = "lines:5";
  settings.sources[0].weight = 3;
  settings.sources[1].path = folder.file("in/b.jsonl",
                                         "{\"p\": \"One and\", \"c\": \" two.\"}\n{\"p\": \"A\", "
                                         "\"c\": \"b\"}\n{\"p\": \"C\", \"c\": \"d\"}\n");
  settings.sources[1].prompt_field = "p";
  settings.sources[1].completion_field = "c";
  settings.sources[1].weight = 1;
  settings.split = {.validation = 0.1, .test = 0.05};
  settings.tokenizer.kind = TokenizerSettings::Kind::kTrainBpe;
  settings.tokenizer.vocabulary = 500;
  settings.threads = 2;
  return settings;
}

std::int64_t bytes_of(const std::filesystem::path& path) {
  const auto file = TokenFile::open(path, true);
  std::int64_t bytes = 0;
  for (std::int64_t d = 0; d < file->documents(); ++d) bytes += file->document_bytes(d);
  return bytes;
}

TEST(Prepare, TokensSpellTheDocuments) {
  const TestFolder folder;
  const auto settings = settings_of(folder);
  const PreparedData data = prepare_data(settings, folder.path() / "out");
  EXPECT_FALSE(data.reused);
  ASSERT_EQ(data.train.size(), 2u);
  EXPECT_EQ(data.train[0].weight, 3);
  const auto tokenizer = load_tokenizer(data.tokenizer);
  EXPECT_EQ(tokenizer->vocabulary_size(), 500);
  std::vector<std::filesystem::path> paths = {data.validation, data.test};
  for (const auto& train : data.train) paths.push_back(train.path);
  std::string all;
  std::int64_t bytes = 0;
  for (const auto& path : paths) {
    const auto file = TokenFile::open(path);
    EXPECT_EQ(file->tokenizer_hash(), tokenizer->hash());
    for (std::int64_t d = 0; d < file->documents(); ++d) {
      std::vector<std::int32_t> ids;
      for (auto i = file->document_begin(d) + 1; i < file->document_begin(d + 1); ++i)
        ids.push_back(file->token(i));
      all += tokenizer->decode(ids);
    }
    bytes += bytes_of(path);
  }
  const auto prompts = static_cast<std::int64_t>(std::string("One andAC").size());
  EXPECT_EQ(bytes, static_cast<std::int64_t>(corpus().size() + std::string(" two.bd").size()));
  EXPECT_EQ(static_cast<std::int64_t>(all.size()), bytes + prompts);
  EXPECT_NE(all.find("In the beginning God created the heaven"), std::string::npos);
  EXPECT_TRUE(TokenFile::open(data.train[1].path)->has_loss_mask());
  EXPECT_FALSE(TokenFile::open(data.train[0].path)->has_loss_mask());
  EXPECT_EQ(training_source(data, 1).sample(0, 32).ids.size(), 33u);
}

TEST(Prepare, IsReusedUntilSomethingChanges) {
  const TestFolder folder;
  auto settings = settings_of(folder);
  const auto out = folder.path() / "out";
  const std::string hash = prepare_data(settings, out).hash;
  settings.threads = 1;
  EXPECT_TRUE(prepare_data(settings, out).reused);
  EXPECT_EQ(open_prepared_data(out).hash, hash);
  // Made anew elsewhere, and on another number of threads, it is the same.
  EXPECT_EQ(prepare_data(settings, folder.path() / "again").hash, hash);

  std::string damaged = read_whole_file(out / "validation.tokens");
  damaged[200] = static_cast<char>(damaged[200] ^ 1);
  folder.file("out/validation.tokens", damaged);
  const auto mended = prepare_data(settings, out);
  EXPECT_FALSE(mended.reused);
  EXPECT_EQ(mended.hash, hash);

  settings.seed = 5;
  EXPECT_NE(prepare_data(settings, out).hash, hash);
  settings.seed = 0;
  folder.file("in/a.txt", corpus() + "More.\n");
  EXPECT_FALSE(prepare_data(settings, out).reused);
}

TEST(Prepare, ByteAndLoadedTokenizers) {
  const TestFolder folder;
  auto settings = settings_of(folder);
  settings.tokenizer.kind = TokenizerSettings::Kind::kByte;
  EXPECT_EQ(training_source(prepare_data(settings, folder.path() / "byte"), 1).vocabulary_size(),
            257);
  settings.tokenizer.kind = TokenizerSettings::Kind::kLoad;
  settings.tokenizer.path = std::string(PERYTON_GOLDEN_DIR) + "/tokenizers/smollm.tokenizer.json";
  EXPECT_EQ(training_source(prepare_data(settings, folder.path() / "load"), 1).vocabulary_size(),
            700);
}

TEST(Prepare, ErrorsLeaveNothingHalfWritten) {
  const TestFolder folder;
  const auto out = folder.path() / "out";
  auto settings = settings_of(folder);
  const auto fails = [&](const std::string& part) {
    const auto message = user_error([&] { prepare_data(settings, out); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_FALSE(std::filesystem::exists(out));
  };
  settings.sources[0].weight = 0;
  fails("weight");
  settings.sources[0].weight = 3;
  settings.tokenizer.vocabulary = 100;
  fails("too small");
  settings.tokenizer.kind = TokenizerSettings::Kind::kLoad;
  settings.tokenizer.path = "/nowhere";
  fails("/nowhere");
  settings.tokenizer.kind = TokenizerSettings::Kind::kByte;
  settings.sources[1].path = folder.file("in/c.jsonl", "{\"p\": \"x\"}\n");
  fails("c.jsonl:1");
  settings.sources.clear();
  fails("no data sources");
  user_error([&] { open_prepared_data(out); });
}

}  // namespace
}  // namespace peryton
