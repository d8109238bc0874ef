// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/safetensors.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "framework/checkpoint/safetensors_header.h"
#include "framework/core/rng.h"
#include "tests/framework/checkpoint/goldens.h"

namespace peryton {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT: the helpers of this folder

std::string file_with_header(const std::string& header, std::size_t data_bytes) {
  std::uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), 8);
  return bytes + header + std::string(data_bytes, '\1');
}

TEST(Safetensors, ReadsEveryDtypeOfTheReference) {
  const auto file = SafetensorsFile::open(golden("dtypes.safetensors"));
  expect_equals_golden(file, "dtypes.json");
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.load("f16").dtype(), DType::kFloat32);
  EXPECT_TRUE(std::signbit(file.load("f16").values<float>()[16]));
  EXPECT_EQ(file.load("f64", DType::kFloat32).values<float>()[0],
            file.load("f32").values<float>()[0]);
  EXPECT_EQ(file.load("bool", DType::kInt32).dtype(), DType::kInt32);
  EXPECT_THAT(input_error_of([&] { file.load("i32", DType::kFloat32); }), HasSubstr("'i32'"));
  EXPECT_THAT(input_error_of([&] { file.load("f32", DType::kInt32); }), HasSubstr("'f32'"));
  EXPECT_THAT(input_error_of([&] { file.load("absent"); }), HasSubstr("no tensor 'absent'"));
}

TEST(Safetensors, RoundTripOfStridedTensors) {
  const ScratchFolder scratch;
  const Tensor base = Tensor::empty(DType::kFloat32, {4, 6});
  std::iota(base.values<float>().begin(), base.values<float>().end(), 0.0f);
  const std::vector<NamedTensor> tensors = {{"z", Tensor::full(DType::kBFloat16, {3}, 0.5)},
                                            {"part", base.slice(1, 2, 5)},
                                            {"a", Tensor::full(DType::kFloat64, {}, 7)},
                                            {"none", Tensor::zeros(DType::kInt32, {0, 2})}};
  write_safetensors(scratch / "m.safetensors", tensors, {{"note", "x"}});
  const auto file = SafetensorsFile::open(scratch / "m.safetensors");
  EXPECT_EQ(file.names(), (std::vector<std::string>{"a", "none", "part", "z"}));
  EXPECT_EQ(file.metadata().at("note"), "x");
  const Tensor part = file.load("part");
  EXPECT_EQ(part.shape(), (Shape{4, 3}));
  EXPECT_EQ(part.values<float>()[4], 9.0f);
  EXPECT_EQ(file.load("z").dtype(), DType::kBFloat16);
  EXPECT_EQ(file.load("a").item(), 7.0);
}

TEST(Safetensors, EqualContentGivesEqualBytes) {
  const ScratchFolder scratch;
  const NamedTensor a{"a", Tensor::full(DType::kFloat32, {2}, 1)};
  const NamedTensor b{"b", Tensor::full(DType::kFloat32, {2}, 2)};
  write_safetensors(scratch / "1", std::vector{a, b});
  write_safetensors(scratch / "2", std::vector{b, a});
  EXPECT_EQ(read_file(scratch / "1"), read_file(scratch / "2"));
  EXPECT_EQ(error_of(
                ErrorKind::kInternal,
                [&] {
                  write_safetensors(scratch / "3", std::vector{a, a});
                }).find("two tensors named 'a'") == std::string::npos,
            false);
}

struct Wrong {
  std::string header;
  std::string message;
};

TEST(Safetensors, EveryHeaderFieldWrongInTurn) {
  const ScratchFolder scratch;
  const std::string good = R"({"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})";
  put_file(scratch / "m", file_with_header(good, 16));
  EXPECT_EQ(SafetensorsFile::open(scratch / "m").names().size(), 1u);
  const auto x = [](const std::string& dtype, const std::string& shape,
                    const std::string& offsets) {
    return R"({"x":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets +
           "}}";
  };
  const std::vector<Wrong> wrongs = {
      {x("\"F33\"", "[2,2]", "[0,16]"), "unknown dtype"},
      {x("7", "[2,2]", "[0,16]"), "unknown dtype"},
      {x("\"F64\"", "[2,2]", "[0,16]"), "needs 32 bytes"},
      {x("\"F32\"", "[2,-2]", "[0,16]"), "not a count"},
      {x("\"F32\"", "[2,2.0]", "[0,16]"), "not a count"},
      {x("\"F32\"", "[2,\"2\"]", "[0,16]"), "not a count"},
      {x("\"F32\"", "[2,Infinity]", "[0,16]"), "not a count"},
      {x("\"F32\"", "4", "[0,16]"), "shape is not a list"},
      {x("\"F32\"", "[2,3]", "[0,16]"), "needs 24 bytes"},
      {x("\"F32\"", "[4611686018427387904,4]", "[0,16]"), "impossibly large"},
      {x("\"F32\"", "[0,4611686018427387904,4]", "[0,0]"), "impossibly large"},
      {x("\"F32\"", "[18446744073709551615]", "[0,16]"), "not a count"},
      {x("\"F32\"", "[2,2]", "[0,20]"), "outside of the file"},
      {x("\"F32\"", "[2,2]", "[16,0]"), "outside of the file"},
      {x("\"F32\"", "[2,2]", "[-4,12]"), "not a count"},
      {x("\"F32\"", "[2,2]", "[0]"), "not two numbers"},
      {x("\"F32\"", "[2,2]", "\"0,16\""), "not two numbers"},
      {x("\"F32\"", "[3]", "[4,16]"), "hole"},
      {x("\"F32\"", "[3]", "[0,12]"), "its tensors cover 12"},
      {R"({"x":{"shape":[2,2],"data_offsets":[0,16]}})", "no 'dtype'"},
      {R"({"x":{"dtype":"F32","data_offsets":[0,16]}})", "no 'shape'"},
      {R"({"x":{"dtype":"F32","shape":[2,2]}})", "no 'data_offsets'"},
      {R"({"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16],"y":1}})", "unknown field 'y'"},
      {R"({"x":[1]})", "not an object"},
      {R"({"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})",
       "'x' stands twice"},
      {R"({"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"y":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
       "overlap"},
      {R"({"__metadata__":[],"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})",
       "__metadata__"},
      {R"({"__metadata__":{"a":1},"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})",
       "'a' is not text"},
      {R"({"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]})", "not valid JSON"},
      {"[1, 2]", "does not begin with '{'"},
      {"", "does not begin with '{'"},
  };
  for (const Wrong& wrong : wrongs) {
    put_file(scratch / "m", file_with_header(wrong.header, 16));
    const std::string error = input_error_of([&] { SafetensorsFile::open(scratch / "m"); });
    EXPECT_THAT(error, HasSubstr(wrong.message)) << wrong.header;
    EXPECT_THAT(error, HasSubstr((scratch / "m").string())) << wrong.header;
  }
}

void check_header(const std::string& file) {
  parse_safetensors_header(std::as_bytes(std::span(file.data(), file.size())), "m");
}

TEST(Safetensors, WrongLengths) {
  const std::string whole = read_file(golden("dtypes.safetensors"));
  for (std::size_t size = 0; size < whole.size(); ++size) {  // truncation at every byte
    EXPECT_THAT(input_error_of([&] { check_header(whole.substr(0, size)); }), HasSubstr("m"))
        << size;
  }
  EXPECT_THAT(input_error_of([&] { check_header(whole + "x"); }), HasSubstr("cover"));
  for (const std::uint64_t length : {~0ull, 1ull << 62, 100'000'001ull}) {
    std::string bytes = whole;
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_THAT(input_error_of([&] { check_header(bytes); }), HasSubstr("claims"));
  }
}

TEST(Safetensors, NarrowIntegersAreChecked) {
  const ScratchFolder scratch;
  put_file(scratch / "m",
           file_with_header(R"({"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", 8));
  EXPECT_THAT(input_error_of([&] { SafetensorsFile::open(scratch / "m").load("x"); }),
              HasSubstr("does not fit 32 bits"));
}

TEST(Safetensors, FlippedBytesNeverCrash) {
  const ScratchFolder scratch;
  const std::string whole = read_file(golden("dtypes.safetensors"));
  const std::uint64_t seed = 11;
  const Rng rng(seed, RandomPurpose::kTest);
  int refused = 0;
  for (std::uint64_t trial = 0; trial < 600; ++trial) {
    std::string bytes = whole;
    bytes[rng.below(3 * trial, bytes.size())] = static_cast<char>(rng.below(3 * trial + 1, 256));
    if (trial % 2) bytes[rng.below(3 * trial + 2, 400)] ^= 1;
    try {
      check_header(bytes);
      put_file(scratch / "m", bytes);
      const auto file = SafetensorsFile::open(scratch / "m");
      for (const std::string& name : file.names()) file.load(name);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUserInput)
          << error.what() << " seed " << seed << " trial " << trial;
      ++refused;
    }
  }
  EXPECT_GT(refused, 200);
}

}  // namespace
}  // namespace peryton
