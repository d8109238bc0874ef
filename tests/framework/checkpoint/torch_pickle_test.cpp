// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/torch_pickle.h"

#include <gmock/gmock.h>

#include <cstring>

#include "framework/checkpoint/pickle_machine.h"
#include "framework/checkpoint/safetensors.h"
#include "framework/checkpoint/zip_archive.h"
#include "framework/core/rng.h"
#include "tests/framework/checkpoint/goldens.h"

namespace peryton {
namespace {

using testing::HasSubstr;
using namespace std::string_literals;  // NOLINT: text with zero bytes
using namespace testing_support;       // NOLINT: the helpers of this folder

void read_pickle(const std::string& pickle) {
  read_tensor_pickle(std::as_bytes(std::span(pickle.data(), pickle.size())), "p");
}

TEST(TorchPickle, ReadsWhatTorchSaves) {
  expect_equals_golden(TorchFile::open(golden("dtypes.bin")), "dtypes.json");
  expect_equals_golden(TorchFile::open(golden("views.bin")), "views.json");
  expect_equals_golden(TorchFile::open(golden("module.bin")), "module.json");
  EXPECT_EQ(TorchFile::open(golden("module.bin")).load("0.weight").dtype(), DType::kBFloat16);
}

TEST(TorchPickle, CallsAreRefusedAndNamed) {
  EXPECT_THAT(input_error_of([] { TorchFile::open(golden("calls_system.bin")); }),
              HasSubstr("asks for 'posix.system'"));
  EXPECT_THAT(input_error_of([] { TorchFile::open(golden("calls_eval.bin")); }),
              HasSubstr(".eval'"));
  EXPECT_FALSE(std::filesystem::exists("called"));
}

TEST(TorchPickle, OtherContentIsExplained) {
  EXPECT_THAT(input_error_of([] { TorchFile::open(golden("not_tensors.bin")); }),
              HasSubstr("'state' is not a tensor"));
  EXPECT_THAT(input_error_of([] { TorchFile::open(golden("bare_tensor.bin")); }),
              HasSubstr("dictionary of tensors"));
  EXPECT_THAT(input_error_of([] { open_tensor_file(golden("legacy.bin")); }), HasSubstr("1.6"));
  const ScratchFolder scratch;
  put_file(scratch / "w", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  EXPECT_THAT(input_error_of([&] { open_tensor_file(scratch / "w"); }), HasSubstr("git lfs pull"));
}

// The first bytes of a safetensors file are the length of its header: any of them may occur.
TEST(TorchPickle, NoHeaderLengthMakesSafetensorsATorchFile) {
  const ScratchFolder scratch;
  const std::vector<NamedTensor> tensors{{"x", Tensor::zeros(DType::kFloat32, {2})}};
  bool met = false;
  for (std::size_t padding = 0; padding < 600; padding += 8) {
    write_safetensors(scratch / "w", tensors, {{"text", std::string(padding, 'x')}});
    met = met || read_file(scratch / "w").starts_with("\x80");
    EXPECT_TRUE(open_tensor_file(scratch / "w")->contains("x")) << padding;
  }
  EXPECT_TRUE(met);
}

TEST(TorchPickle, InstructionsThatCanCallAreRefused) {
  for (const std::string& pickle :
       {"\x80\x02(cos\nsystem\nX\x02\0\0\0idtR."s,                // GLOBAL, REDUCE
        "(X\x02\0\0\0idios\nsystem\n."s,                          // INST
        "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R."s,  // STACK_GLOBAL
        "\x80\x02)\x81."s, "\x80\x02\x82\x01."s, "P1\n."s, "\x80\x02(o."s}) {
    EXPECT_THAT(input_error_of([&] { read_pickle(pickle); }), HasSubstr("nothing was called"));
  }
}

TEST(TorchPickle, HostileShapesOfPickles) {
  const std::string deep = "\x80\x02)" + std::string(200000, '\x85') + ".";  // nested tuples
  EXPECT_THAT(input_error_of([&] { read_pickle(deep); }), HasSubstr("dictionary"));
  EXPECT_THAT(input_error_of([&] { read_pickle("\x80\x02]q" + "\0h\0a."s); }),
              HasSubstr("dictionary"));  // a list that holds itself
  for (const char* broken : {"", ".", "t.", "}", "u.", "}(NNNu.", "R.", "NR.", "Q.", "h\x01.",
                             "q\x01.", "b.", "}b.", "X\xff\xff\xff\x7fzz", "\x8a\x09"}) {
    input_error_of([&] { read_pickle(broken); });
  }
}

TEST(TorchPickle, TruncatedAnywhere) {
  const std::string whole = read_file(golden("views.bin"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string part = whole.substr(0, size);
    EXPECT_THAT(input_error_of(
                    [&] { read_stored_zip(std::as_bytes(std::span(part.data(), size)), "w.bin"); }),
                HasSubstr("w.bin"))
        << size;
  }
  const ScratchFolder scratch;
  put_file(scratch / "w.bin", whole.substr(0, whole.size() / 2));
  EXPECT_THAT(input_error_of([&] { TorchFile::open(scratch / "w.bin"); }), HasSubstr("truncated"));
}

TEST(TorchPickle, FlippedBytesNeverCrash) {
  const std::string whole = read_file(golden("views.bin"));
  const ScratchFolder scratch;
  const std::uint64_t seed = 5;
  const Rng rng(seed, RandomPurpose::kTest);
  for (std::uint64_t trial = 0; trial < 150; ++trial) {
    std::string bytes = whole;
    bytes[rng.below(2 * trial, bytes.size())] = static_cast<char>(rng.below(2 * trial + 1, 256));
    put_file(scratch / "w.bin", bytes);
    try {
      const auto file = TorchFile::open(scratch / "w.bin");
      for (const std::string& name : file.names()) file.load(name);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUserInput)
          << error.what() << " seed " << seed << " trial " << trial;
    }
  }
}

// Checksums catch most damage in the file; here the pickle itself is damaged.
TEST(TorchPickle, FlippedPickleNeverCrashes) {
  const std::string whole = read_file(golden("views.bin"));
  const auto entries = read_stored_zip(std::as_bytes(std::span(whole.data(), whole.size())), "w");
  const auto pickle = entries.at("views/data.pkl");
  const std::string text(reinterpret_cast<const char*>(pickle.data()), pickle.size());
  const Rng rng(6, RandomPurpose::kTest);
  int refused = 0;
  for (std::uint64_t trial = 0; trial < 5000; ++trial) {
    std::string bytes = text;
    bytes[rng.below(2 * trial, bytes.size())] = static_cast<char>(rng.below(2 * trial + 1, 256));
    try {
      read_pickle(bytes);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUserInput) << error.what() << " trial " << trial;
      ++refused;
    }
  }
  EXPECT_GT(refused, 2000);
}

// Shapes, strides and offsets that do not fit the storage: patched into the file with its checksum
// mended.
TEST(TorchPickle, TensorsBeyondTheirStorage) {
  const ScratchFolder scratch;
  const std::string whole = read_file(golden("views.bin"));
  const auto entries = read_stored_zip(std::as_bytes(std::span(whole.data(), whole.size())), "w");
  const auto pickle = entries.at("views/data.pkl");
  const auto begin = reinterpret_cast<const char*>(pickle.data()) - whole.data();
  const std::uint32_t old_crc = crc32(pickle);
  // Bytes 151, 153 and 158 of the pickle: the sizes [6, 4] and the first stride of "transposed";
  // 149: its offset.
  for (const auto& [at, value] : std::vector<std::pair<std::size_t, char>>{
           {149, 1}, {151, 7}, {153, 5}, {158, 2}, {160, 100}, {143, 25}}) {
    std::string bytes = whole;
    bytes[static_cast<std::size_t>(begin) + at] = value;
    const std::uint32_t crc = crc32(std::as_bytes(std::span(bytes.data() + begin, pickle.size())));
    for (std::size_t i = 0; i + 4 <= bytes.size(); ++i) {
      if (std::memcmp(bytes.data() + i, &old_crc, 4) == 0) std::memcpy(bytes.data() + i, &crc, 4);
    }
    put_file(scratch / "w.bin", bytes);
    EXPECT_THAT(input_error_of([&] { TorchFile::open(scratch / "w.bin"); }),
                HasSubstr("'transposed'"))
        << at;
  }
}

TEST(ZipArchive, Crc32OfTheStandardsExample) {
  const std::string text = "123456789";
  EXPECT_EQ(crc32(std::as_bytes(std::span(text.data(), text.size()))), 0xCBF43926u);
}

}  // namespace
}  // namespace peryton
