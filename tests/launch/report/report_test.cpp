// SPDX-License-Identifier: Apache-2.0
#include "launch/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "launch/report/format.h"
#include "launch/report/line_chart.h"
#include "tests/launch/report/synthetic_run.h"

namespace peryton {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::synthetic_config;
using testing_support::SyntheticRun;

// Every opened element is closed in order; void elements of HTML and self-closed ones of SVG aside.
void expect_well_formed(const std::string& page) {
  static const std::regex kTag("<(/?)([a-z0-9]+)[^>]*?(/?)>");
  std::vector<std::string> open;
  for (std::sregex_iterator it(page.begin(), page.end(), kTag), end; it != end; ++it) {
    const std::string name = (*it)[2];
    if ((*it)[3] == "/" || name == "meta" || name == "br") continue;
    if ((*it)[1] != "/") {
      open.push_back(name);
    } else {
      ASSERT_FALSE(open.empty()) << "stray </" << name << ">";
      ASSERT_EQ(open.back(), name);
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty());
}

TEST(Report, FullRunHasEverySection) {
  const SyntheticRun run;
  run.fill();
  const std::string page = report_page(synthetic_config(), run.folder());
  expect_well_formed(page);
  for (const char* part :
       {"tie", "one seed", "a made-up warning", "training tokens", "<h2>Evaluation</h2>",
        "<h2>The hybrid</h2>", "<h2>How α was found</h2>", "<h2>Loss curves</h2>",
        "<h2>A sample of each model</h2>", "<h2>Stages</h2>", "<h2>What to run next</h2>",
        "Fitted projectors start at a loss of 4.500, random ones at 8.250, identity ones at "
        "6.500"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  // The verdict stands first, then warnings and cost.
  EXPECT_LT(page.find("class='headline'"), page.find("class='warnings'"));
  EXPECT_LT(page.find("class='warnings'"), page.find("class='tiles'"));
  EXPECT_LT(page.find("class='tiles'"), page.find("<h2>"));
}

TEST(Report, NeedsNoNetworkAndNoScript) {
  const SyntheticRun run;
  run.fill();
  const std::string page = report_page(synthetic_config(), run.folder());
  for (const char* part : {"<script", "src=", "href=", "http:", "https:", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(part)));
  }
}

TEST(Report, TextOfModelsIsEscapedAndOneSampleIsShownPerModel) {
  const SyntheticRun run;
  run.fill();
  const std::string page = report_page(synthetic_config(), run.folder());
  EXPECT_THAT(page, HasSubstr(" &lt;was&gt; the &amp; word"));
  EXPECT_THAT(page, HasSubstr("a second model speaks"));
  EXPECT_THAT(page, Not(HasSubstr("not shown")));
}

TEST(Report, NothingInTheFolderStillMakesAPage) {
  const SyntheticRun run;
  const std::string page = report_page(synthetic_config(), run.folder());
  expect_well_formed(page);
  EXPECT_THAT(page, HasSubstr("Not evaluated yet."));
  EXPECT_THAT(page, Not(HasSubstr("nan")));
}

TEST(Report, AnyMissingOrDamagedFileStillMakesAPage) {
  const SyntheticRun run;
  run.fill();
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(run.folder())) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  ASSERT_GT(files.size(), 10u);
  for (const auto& file : files) {
    const std::string name = std::filesystem::relative(file, run.folder());
    for (const char* damage : {"", "{", "[[]]", "{\"alpha\": [[]], \"extra\": 1}", "\xff\xfe"}) {
      run.put(name, damage);
      expect_well_formed(report_page(synthetic_config(), run.folder()));
    }
    std::filesystem::remove(file);
    expect_well_formed(report_page(synthetic_config(), run.folder()));
    run.fill();
  }
}

TEST(LineChart, HasNoNumbersThatAreNotFinite) {
  LineChart chart;
  chart.series = {{"a", {{1, 2}, {2, std::nan("")}, {3, INFINITY}, {4, 2}}, 0, true}};
  const std::string svg = line_chart_svg(chart);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

TEST(LineChart, OnePointAndNoPoints) {
  LineChart chart;
  chart.series = {{"a", {{5, 2}}, 0, false}};
  EXPECT_THAT(line_chart_svg(chart), HasSubstr("<circle"));
  chart.series = {{"a", {}, 0, false}};
  EXPECT_THAT(line_chart_svg(chart), HasSubstr("nothing logged"));
}

TEST(LineChart, TicksAreRound) {
  EXPECT_THAT(round_ticks(0, 1, 5),
              testing::Pointwise(testing::DoubleEq(), {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}));
  EXPECT_THAT(round_ticks(13, 47, 4), testing::ElementsAre(20, 30, 40));
  EXPECT_TRUE(round_ticks(1, 1, 4).empty());
}

TEST(LineChart, ThinningKeepsTheMean) {
  Points points;
  for (int i = 0; i < 1000; ++i) points.emplace_back(i, i % 7);
  const Points thin = thinned(points, 100);
  ASSERT_EQ(thin.size(), 100u);
  double all = 0, few = 0;
  for (const auto& point : points) all += point.second / 1000;
  for (const auto& point : thin) few += point.second / 100;
  EXPECT_NEAR(all, few, 1e-9);
}

TEST(Format, EscapesAndReplacesWhatIsNoUtf8) {
  EXPECT_EQ(html_escape("a<b>&\"é\x01\n"), "a&lt;b&gt;&amp;&quot;é\n");
  EXPECT_EQ(html_escape("x\xffy\xe2\x82"), "x\xef\xbf\xbdy\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Format, AmountsAndTimes) {
  EXPECT_EQ(amount_text(950), "950");
  EXPECT_EQ(amount_text(4.56e6), "4.56M");
  EXPECT_EQ(amount_text(1.234e15), "1.23e+15");
  EXPECT_EQ(amount_text(std::nan("")), "n/a");
  EXPECT_EQ(duration_text(185), "3 min 05 s");
  EXPECT_EQ(duration_text(7800), "2 h 10 min");
  EXPECT_EQ(bytes_text(1.5 * (1 << 30)), "1.50 GiB");
}

}  // namespace
}  // namespace peryton
