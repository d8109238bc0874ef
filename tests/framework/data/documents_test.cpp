// SPDX-License-Identifier: Apache-2.0
#include "framework/data/documents.h"

#include <gtest/gtest.h>

#include "framework/data/html.h"
#include "tests/framework/data/test_folder.h"

namespace peryton {
namespace {

using Strings = std::vector<std::string>;

Strings texts_of(const SourceSettings& source) {
  Strings texts;
  for (const auto& document : read_documents(source)) texts.push_back(document.text);
  return texts;
}

SourceSettings at(const std::string& path) {
  SourceSettings source;
  source.path = path;
  return source;
}

TEST(DocumentRule, CutsAsAsked) {
  const std::string text = "a\nb\n\n\nc\n \nd";
  EXPECT_EQ(split_into_documents(text, "file", ""), Strings{text});
  EXPECT_EQ(split_into_documents(text, "auto", ""), Strings{text});
  EXPECT_EQ(split_into_documents(text, "blank_line", ""), (Strings{"a\nb\n\n\n", "c\n \n", "d"}));
  EXPECT_EQ(split_into_documents("1\n2\n3\n4\n5", "lines:2", ""),
            (Strings{"1\n2\n", "3\n4\n", "5"}));
  EXPECT_EQ(split_into_documents("1\n2\n3\n4\n5", "pieces:3", ""),
            (Strings{"1\n2\n", "3\n4\n", "5"}));
  EXPECT_EQ(split_into_documents("aa\nb\n\nc\n\ndd", "pieces:4", ""),
            (Strings{"aa\nb\n\n", "c\n\ndd"}));
  EXPECT_EQ(split_into_documents("Ge1:1 a\nGe1:2 b\nGe2:1 c\nGe2:11 d\n", "starts:^\\S+:1 ", ""),
            (Strings{"Ge1:1 a\nGe1:2 b\n", "Ge2:1 c\nGe2:11 d\n"}));
  EXPECT_TRUE(split_into_documents(" \n\t", "auto", "").empty());
}

TEST(DocumentRule, LongFilesAreCutIntoPieces) {
  std::string text;
  while (text.size() < 200000) text += "A line of a long file.\n";
  const auto pieces = split_into_documents(text, "auto", "");
  EXPECT_NEAR(static_cast<double>(pieces.size()), 200000 / 8192.0, 1.0);
  std::string joined;
  for (const auto& piece : pieces) joined += piece;
  EXPECT_EQ(joined, text);
}

// A source that is one file can still be split; the same file in a folder is one document.
TEST(Documents, OneFileIsCutIntoPieces) {
  const TestFolder folder;
  std::string text;
  while (text.size() < 40000) text += "A line of a file of middling length.\n";
  const auto pieces = texts_of(at(folder.file("in/a.txt", text)));
  EXPECT_NEAR(static_cast<double>(pieces.size()), 62, 3);  // 625 bytes, and up to a line more
  EXPECT_EQ(texts_of(at(folder.path() / "in")), Strings{text});
}

TEST(DocumentRule, RefusesOthers) {
  for (const char* rule :
       {"", "lines", "lines:", "lines:0", "lines:x", "pieces:-1", "starts:", "page"}) {
    const auto message = user_error([&] { split_into_documents("a", rule, "my.yaml:3"); });
    EXPECT_NE(message.find("my.yaml:3"), std::string::npos) << message;
  }
  EXPECT_NE(
      user_error([&] { split_into_documents("a", "starts:(", ""); }).find("regular expression"),
      std::string::npos);
}

TEST(Html, KeepsProse) {
  EXPECT_EQ(
      html_to_text(
          "<!DOCTYPE html><html><head><title>No</title></head><body><!-- no <p> -->"
          "<h1>Title</h1>\n<p>Some  <b>bold</b>\n text &amp; more&#8217;s &lt;x&gt;&nbsp;y.</p>"
          "<p>One<br>two<br/>three</p><ul><li>a</li><li>b</li></ul></body></html>"),
      "Title\n\nSome bold text & more\xE2\x80\x99s <x> y.\n\nOne\ntwo\nthree\n\na\nb\n");
  EXPECT_EQ(html_to_text("a<script>if (a<b) x('</p>');</script>b<style>p {}</style>c"), "abc\n");
  EXPECT_EQ(html_to_text("x<div class=\"book-navigation\"><div>up</div>next</div><p>y"),
            "x\n\ny\n");
  EXPECT_EQ(html_to_text("<a title=\"a > b\">link</a> 1 < 2 &unknown; & &#0; R&D"),
            "link 1 < 2 &unknown; & &#0; R&D\n");
  EXPECT_EQ(html_to_text("<pre>a  b\n  c</pre>"), "a  b\n  c\n");
  EXPECT_EQ(html_to_text("<p> </p><img src='x'>"), "");
  EXPECT_EQ(html_to_text("end <"), "end <\n");
  EXPECT_EQ(html_to_text("cut <b"), "cut\n");
}

TEST(Documents, FolderInOrder) {
  const TestFolder folder;
  folder.file("b.txt", "second");
  folder.file("a/z.html", "<p>first</p>");
  folder.file("c.jsonl", "{\"text\": \"third\"}\r\n\n{\"text\": \" \"}\n{\"text\": \"fourth\"}");
  folder.file("d.png", "\xFF\xFE");
  folder.file("e.txt", "");
  EXPECT_EQ(texts_of(at(folder.path())), (Strings{"first\n", "second", "third", "fourth"}));
}

TEST(Documents, JsonFields) {
  const TestFolder folder;
  auto source = at(folder.file("x.jsonl", "{\"q\": \"Why?\", \"a\": \"So.\", \"n\": 1}\n"));
  source.field = "a";
  EXPECT_EQ(texts_of(source), Strings{"So."});
  source.prompt_field = "q";
  source.completion_field = "a";
  const auto documents = read_documents(source);
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].prompt, "Why?");
  EXPECT_EQ(documents[0].text, "So.");
}

TEST(Documents, ErrorsNameThePlace) {
  const TestFolder folder;
  const auto expect = [](const SourceSettings& source, const std::string& part) {
    const auto message = user_error([&] { read_documents(source); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect(at("/nowhere/x.txt"), "/nowhere/x.txt");
  expect(at(folder.path()), "no text in the folder");
  expect(at(folder.file("e.txt", "")), "no text");
  expect(at(folder.file("blank.txt", " \n")), "no text");
  expect(at(folder.file("latin.txt", "caf\xE9 au lait")), "byte 3");
  expect(at(folder.file("latin.jsonl", "{\"text\": \"a\"}\n{\"text\": \"\xE9\"}\n")), "byte 24");
  expect(at(folder.file("latin2.jsonl", "{\"text\": \"a\"}\n{\"text\": \"\xE9\"}\n")),
         "latin2.jsonl:2");
  expect(at(folder.file("bad.jsonl", "{\"text\": \"a\"}\n\n{\"text\": \n")), "bad.jsonl:3");
  expect(at(folder.file("list.jsonl", "[1]\n")), "not a JSON object");
  expect(at(folder.file("none.jsonl", "{\"body\": \"a\", \"id\": 3}\n")), "body, id");
  expect(at(folder.file("number.jsonl", "{\"text\": 3}\n")), "not text but number");
  auto source = at(folder.file("t.txt", "text"));
  source.prompt_field = "p";
  expect(source, "completion");
  source.completion_field = "c";
  expect(source, "not JSONL");
}

}  // namespace
}  // namespace peryton
