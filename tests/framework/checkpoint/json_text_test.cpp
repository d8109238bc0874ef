// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/json_text.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/framework/checkpoint/support.h"

namespace peryton {
namespace {

using testing::HasSubstr;
using testing_support::input_error_of;

TEST(JsonText, ReadsTheNumbersThatPythonWrites) {
  const auto json =
      parse_json(R"({"a": [0.0, Infinity], "b": -Infinity, "c": NaN, "d": "NaN"})", "x");
  EXPECT_EQ(json["a"][1].get<double>(), INFINITY);
  EXPECT_EQ(json["b"].get<double>(), -INFINITY);
  EXPECT_TRUE(std::isnan(json["c"].get<double>()));
  EXPECT_EQ(json["d"], "NaN");
}

TEST(JsonText, LeavesTextAlone) {
  const auto json = parse_json(R"({"Infinity": "a \" Infinity ~number~NaN \\"})", "x");
  EXPECT_EQ(json["Infinity"], "a \" Infinity ~number~NaN \\");
}

TEST(JsonText, WritesWhatItReads) {
  const std::string text = R"({"a":[Infinity,-Infinity,1.5],"b":"Infinity"})";
  const std::string written = json_to_text(parse_json(text, "x"));
  EXPECT_THAT(written, HasSubstr("-Infinity,\n"));
  EXPECT_THAT(written, HasSubstr("\"b\": \"Infinity\""));
  EXPECT_EQ(json_to_text(parse_json(written, "x")), written);
}

TEST(JsonText, ErrorsNameTheLine) {
  EXPECT_THAT(input_error_of([] { parse_json("{\n\"a\": 1,\n\"b\": }\n", "c.json"); }),
              HasSubstr("c.json:3: is not valid JSON"));
  EXPECT_THAT(input_error_of([] { parse_json("{\"a\": Infinit}", "c.json"); }),
              HasSubstr("c.json:1"));
  EXPECT_THAT(input_error_of([] { parse_json("", "c.json"); }), HasSubstr("c.json:1"));
  EXPECT_THAT(input_error_of([] { parse_json("[1e999]", "c.json"); }), HasSubstr("overflow"));
  EXPECT_THAT(input_error_of([] { parse_json("{\"a\": 1, \"a\": 2}", "c.json"); }),
              HasSubstr("'a' stands twice"));
  EXPECT_THAT(input_error_of([] { parse_json("[\"\xff\"]", "c.json"); }), HasSubstr("c.json"));
  EXPECT_THAT(input_error_of([] { parse_json(std::string(100000, '['), "c.json"); }),
              HasSubstr("nested too deeply"));
}

TEST(JsonText, SameKeyInSiblingsIsFine) {
  EXPECT_EQ(parse_json(R"([{"a": 1}, {"a": {"a": 2}}])", "x")[1]["a"]["a"], 2);
}

}  // namespace
}  // namespace peryton
