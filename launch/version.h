// What this program is. The build fills in both from the project's version and from git.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace peryton {

const char* version();       // "0.1.0"
const char* git_revision();  // "1a2b3c4", "1a2b3c4-dirty", or "unknown" outside a checkout

}  // namespace peryton
