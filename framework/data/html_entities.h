// Character references of HTML.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace peryton {

// Decodes the reference that `text` begins with ("&amp;", "&#8217;", "&#x2019;", the named ones of
// HTML 4 for Latin-1 and punctuation) into `out` and returns its length; 0 where it is none of
// them. No-break spaces become spaces.
std::size_t decode_entity(std::string_view text, std::string& out);

}  // namespace peryton
