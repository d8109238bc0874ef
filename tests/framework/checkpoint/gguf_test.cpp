// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/gguf.h"

#include <gmock/gmock.h>

#include "framework/checkpoint/safetensors.h"
#include "framework/core/rng.h"
#include "tests/framework/checkpoint/support.h"
#include "tests/support/gguf_builder.h"

namespace peryton {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace testing_support;  // NOLINT: the helpers of this folder

const std::filesystem::path kGolden = std::filesystem::path(PERYTON_GOLDEN_DIR) / "gguf";

// tests/golden/gguf/make_gguf.py: what the reference package's dequantise() gives.
TEST(Gguf, EveryTypeAsTheReferenceHasIt) {
  const auto file = GgufFile::open(kGolden / "types.gguf");
  const auto expected = SafetensorsFile::open(kGolden / "types.safetensors");
  EXPECT_EQ(expected.names().size(), 17u);
  for (const std::string& name : expected.names()) {
    SCOPED_TRACE(name);
    EXPECT_EQ(file.tensor(name).type->name, name);
    const Tensor ours = file.load(name), theirs = expected.load(name);
    ASSERT_EQ(ours.shape(), theirs.shape());
    for (std::int64_t i = 0; i < ours.elements(); ++i) {
      ASSERT_EQ(ours.data<float>()[i], theirs.data<float>()[i]) << i;  // the same roundings
    }
    EXPECT_EQ(file.load(name, DType::kBFloat16).to(DType::kFloat32).data<float>()[7],
              theirs.to(DType::kBFloat16).to(DType::kFloat32).data<float>()[7]);
  }
  const std::string error = input_error_of([&] { file.load("Q8_K"); });
  EXPECT_THAT(error, HasSubstr("tensor 'Q8_K'"));
  EXPECT_THAT(error, HasSubstr("type Q8_K, which is not supported"));
}

TEST(Gguf, MetadataOfEveryType) {
  const auto file = GgufFile::open(kGolden / "types.gguf");
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(file.text("general.architecture"), "test");
  EXPECT_EQ(file.integer("value.uint8"), 200);
  EXPECT_EQ(file.integer("value.int8"), -100);
  EXPECT_EQ(file.integer("value.uint16"), 60000);
  EXPECT_EQ(file.integer("value.int16"), -30000);
  EXPECT_EQ(file.integer("value.uint32"), 4000000000);
  EXPECT_EQ(file.integer("value.int32"), -2000000000);
  EXPECT_EQ(file.integer("value.int64"), -(std::int64_t{1} << 62));
  EXPECT_EQ(file.integer("value.true"), 1);
  EXPECT_EQ(file.integer("value.false"), 0);
  EXPECT_EQ(file.number("value.float32"), static_cast<double>(0.1f));
  EXPECT_EQ(file.number("value.float64"), 1e-300);
  EXPECT_EQ(file.number("value.uint8"), 200);
  EXPECT_EQ(file.text("value.string"), "a \u2581 text");
  EXPECT_THAT(file.integers("array.int32"), ElementsAre(1, -2, 3));
  EXPECT_THAT(file.numbers("array.float32"), ElementsAre(0.5, -1.5));
  EXPECT_THAT(file.integers("array.bool"), ElementsAre(1, 0));
  EXPECT_THAT(file.texts("array.string"), ElementsAre("", "x", "\u00e9\u2581"));
  EXPECT_FALSE(file.integer("absent").has_value());
  EXPECT_TRUE(file.texts("absent").empty());
  EXPECT_THAT(input_error_of([&] { file.integer("value.uint64"); }), HasSubstr("too large"));
  EXPECT_THAT(input_error_of([&] { file.integer("value.float32"); }), HasSubstr("value.float32"));
  EXPECT_THAT(input_error_of([&] { file.text("value.int8"); }), HasSubstr("int8, not a text"));
  EXPECT_THAT(input_error_of([&] { file.number("value.string"); }), HasSubstr("not a number"));
  EXPECT_THAT(input_error_of([&] { file.integer("array.int32"); }), HasSubstr("is an array"));
  EXPECT_THAT(input_error_of([&] { file.tensor("absent"); }), HasSubstr("no tensor 'absent'"));
}

GgufBuilder good() {
  GgufBuilder builder;
  builder.add("general.architecture", "test").add("a", std::uint32_t{7});
  builder.floats("x", {3, 2}, {1, 2, 3, 4, 5, 6}).tensor("y", {32}, 2, std::string(18, '\1'));
  return builder;
}

GgufFile parse(const std::string& bytes) { return GgufFile::parse(bytes_of(bytes), "m.gguf"); }

void expect_refused(const GgufBuilder& builder, const char* message) {
  const std::string bytes = builder.build();
  const std::string error = input_error_of([&] { parse(bytes); });
  EXPECT_THAT(error, HasSubstr(message));
  EXPECT_THAT(error, HasSubstr("m.gguf"));
}

// Bytes that stand for no digits of a ternary type.
TEST(Gguf, ImpossibleTernaryBlocks) {
  struct Case {
    std::uint32_t type;
    std::size_t size, at;
    char good, bad;
  };
  // TQ1_0: 0xff is 242, 0x00 is 0 and 0xed would be between 224 and 225; of four digits, the last
  // is missing: 0x04 is 3, 0x03 would be 2.
  for (const Case& c : {Case{35, 66, 63, '\x55', '\x75'}, Case{34, 54, 47, '\x7f', '\xed'},
                        Case{34, 54, 51, '\x04', '\x03'}}) {
    std::string block(c.size, c.good);
    block[c.size - 2] = '\0';
    for (const bool damaged : {false, true}) {
      if (damaged) block[c.at] = c.bad;
      GgufBuilder builder = good();
      const std::string bytes = builder.tensor("t", {256}, c.type, block).build();
      const auto load = [&] { return parse(bytes).load("t").values<float>()[0]; };
      if (damaged) {
        EXPECT_THAT(input_error_of(load), HasSubstr("tensor 't'")) << c.at;
      } else {
        EXPECT_NO_THROW(load()) << c.at;
      }
    }
  }
}

TEST(Gguf, BothVersionsAndOtherAlignments) {
  for (const std::uint32_t version : {2u, 3u}) {
    GgufBuilder builder = good();
    builder.version = version;
    const std::string bytes = builder.build();
    const auto file = parse(bytes);
    EXPECT_EQ(file.version(), version);
    EXPECT_EQ(file.tensor("x").shape, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(file.load("x").values<float>()[5], 6.0f);
  }
  for (const std::uint32_t alignment : {1u, 8u, 64u, 4096u}) {
    GgufBuilder builder;
    builder.alignment = alignment;
    builder.add("general.alignment", alignment).floats("x", {1}, {3}).floats("y", {2}, {4, 5});
    const std::string bytes = builder.build();
    EXPECT_EQ(parse(bytes).load("y").values<float>()[1], 5.0f) << alignment;
  }
}

TEST(Gguf, EveryFieldOfTheHeadWrongInTurn) {
  const auto with = [](auto change) {
    GgufBuilder builder = good();
    change(builder);
    return builder;
  };
  expect_refused(with([](auto& b) { b.magic = "GGML"; }), "not a GGUF file");
  expect_refused(with([](auto& b) { b.version = 0; }), "GGUF version 0");
  expect_refused(with([](auto& b) { b.version = 1; }), "GGUF version 1");
  expect_refused(with([](auto& b) { b.version = 4; }), "GGUF version 4");
  expect_refused(with([](auto& b) { b.version = 3u << 24; }), "big-endian");
  for (const std::uint64_t more :
       {std::uint64_t{1} << 20, std::uint64_t{1} << 60, std::uint64_t{1} << 63}) {
    expect_refused(with([&](auto& b) { b.more_tensors = more; }), "claims");
    expect_refused(with([&](auto& b) { b.more_entries = more; }), "claims");
  }
  expect_refused(with([](auto& b) { b.more_tensors = 1; }), "near byte");
  expect_refused(with([](auto& b) { b.more_entries = 1; }), "near byte");
}

TEST(Gguf, EveryFieldOfAnEntryWrongInTurn) {
  using B = GgufBuilder;
  const auto entry = [](std::string_view key, std::uint32_t type, const std::string& value) {
    GgufBuilder builder = good();
    builder.entry(key, type, value);
    return builder;
  };
  const auto size = [](std::uint64_t value) { return B::number(value); };
  const auto type = [](std::uint32_t value) { return B::number(value); };
  expect_refused(entry("", 4, type(1)), "no key");
  expect_refused(entry("a", 4, type(1)), "the key stands twice");
  expect_refused(entry("b", 13, type(1)), "unknown value type 13");
  expect_refused(entry("b", ~0u, type(1)), "unknown value type");
  expect_refused(entry("b", 7, "\2"), "neither 0 nor 1");
  expect_refused(entry("b", 8, size(1000) + "x"), "needs 1000 bytes");
  expect_refused(entry("b", 8, size(~0ull) + "x"), "the file has");
  expect_refused(entry("b", 9, type(13) + size(1)), "unknown value type 13");
  expect_refused(entry("b", 9, type(0) + size(~0ull)), "does not fit into the file");
  expect_refused(entry("b", 9, type(10) + size(1ull << 61)), "does not fit into the file");
  expect_refused(entry("b", 9, type(8) + size(~0ull)), "the file has");
  expect_refused(entry("b", 9, type(8) + size(1) + size(1ull << 62)), "the file has");
  std::string nested;
  for (int i = 0; i < 20; ++i) nested += type(9) + size(1);
  expect_refused(entry("b", 9, nested), "nested too deeply");
  expect_refused(entry("general.alignment", 4, type(0)), "power of two");
  expect_refused(entry("general.alignment", 4, type(24)), "power of two");
  expect_refused(entry("general.alignment", 4, type(1u << 31)), "power of two");
  expect_refused(entry("general.alignment", 8, B::text("32")), "not an integer");
  const std::string bad = entry("b", 8, B::text("\xff")).build();
  EXPECT_THAT(input_error_of([&] { parse(bad).text("b"); }), HasSubstr("not UTF-8"));
}

TEST(Gguf, EveryFieldOfATensorWrongInTurn) {
  const auto info = [](std::string_view name, const std::vector<std::uint64_t>& sizes,
                       std::uint32_t type, std::uint64_t offset) {
    GgufBuilder builder = good();
    builder.info(name, sizes, type, offset);
    return builder;
  };
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 62;
  expect_refused(info("", {1}, 0, 64), "no name");
  expect_refused(info("x", {0}, 0, 0), "stands twice");
  expect_refused(info("z", {1, 1, 1, 1, 1}, 0, 0), "5 dimensions");
  expect_refused(info("z", {~0ull}, 0, 0), "a size is");
  expect_refused(info("z", {kHuge, 4}, 0, 0), "impossibly large");
  expect_refused(info("z", {kHuge, 2, 0}, 0, 0), "impossibly large");
  expect_refused(info("z", {kHuge}, 0, 0), "impossibly large");
  expect_refused(info("z", {kHuge / 64}, 0, 0), "outside of the file");
  expect_refused(info("z", {1}, 4, 0), "the number 4, which is unknown");
  expect_refused(info("z", {1}, 999, 0), "the number 999, which is unknown");
  expect_refused(info("z", {33}, 2, 0), "do not divide into Q4_0 blocks");
  expect_refused(info("z", {128, 2}, 12, 0), "do not divide into Q4_K blocks");
  expect_refused(info("z", {1}, 0, 7), "no multiple of 32");
  expect_refused(info("z", {1}, 0, 64), "outside of the file");
  expect_refused(info("z", {1}, 0, ~0ull - 31), "outside of the file");
  expect_refused(info("z", {1}, 0, 0), "overlaps");
  GgufBuilder builder = good();
  builder.raw_info(GgufBuilder::number<std::uint64_t>(1u << 30));
  expect_refused(builder, "a tensor's name needs");
}

// Reads everything that there is to read.
void read_all(const GgufFile& file) {
  for (const auto& [key, value] : file.metadata()) {
    (void)value.text();
    if (value.element_type() == GgufValueType::kString) (void)file.texts(key);
  }
  for (const auto& item : file.tensors()) {
    if (item.second.type->decode != nullptr) (void)file.load(item.first);
  }
}

TEST(Gguf, TruncationAnywhere) {
  const std::string whole = read_file(kGolden / "types.gguf");
  for (std::size_t size = 0; size + 1 < whole.size(); size += size < 1500 ? 1 : 97) {
    // A copy of its own, so that the address sanitizer sees the end.
    const std::vector<char> part(whole.begin(), whole.begin() + static_cast<long>(size));
    EXPECT_THAT(input_error_of([&] { GgufFile::parse(std::as_bytes(std::span(part)), "m.gguf"); }),
                HasSubstr("m.gguf"))
        << size;
  }
}

TEST(Gguf, FlippedBytesNeverCrash) {
  const std::string whole = read_file(kGolden / "types.gguf");
  const std::uint64_t seed = 23;
  const Rng rng(seed, RandomPurpose::kTest);
  int refused = 0;
  for (std::uint64_t trial = 0; trial < 3000; ++trial) {
    std::vector<char> bytes(whole.begin(), whole.end());
    for (std::uint64_t flip = 0; flip <= trial % 3; ++flip) {
      const std::uint64_t draw = 8 * trial + 2 * flip;
      // Most of them into the head, which ends before byte 1500.
      const std::size_t range = trial % 5 == 0 ? bytes.size() : 1500;
      const auto value = static_cast<char>(rng.below(draw + 1, 256));
      bytes[rng.below(draw, range)] = trial % 2 == 0 ? value : static_cast<char>(0xff);
    }
    try {
      read_all(GgufFile::parse(std::as_bytes(std::span(bytes)), "m.gguf"));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUserInput)
          << error.what() << " seed " << seed << " trial " << trial;
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Gguf, RecognisedByContent) {
  const ScratchFolder scratch;
  put_file(scratch / "a", "GGUF");
  put_file(scratch / "b", "GGU");
  EXPECT_TRUE(GgufFile::is_gguf(scratch / "a"));
  EXPECT_FALSE(GgufFile::is_gguf(scratch / "b"));
  EXPECT_FALSE(GgufFile::is_gguf(scratch / "absent"));
  EXPECT_FALSE(GgufFile::is_gguf(scratch.path()));
  EXPECT_THAT(input_error_of([&] { GgufFile::open(scratch / "a"); }), HasSubstr("the version"));
}

}  // namespace
}  // namespace peryton
