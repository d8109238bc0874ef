// HTML pages to plain text.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace peryton {

// The prose of a page (UTF-8): no tags, comments, head, scripts, styles or navigation (<nav>, and
// elements whose class or id speaks of navigation); entities decoded; white space collapsed;
// paragraphs and headings parted by a blank line, list items, table rows and <br> by a line end.
// Not a validating parser: what it does not know it leaves out.
std::string html_to_text(std::string_view html);

}  // namespace peryton
