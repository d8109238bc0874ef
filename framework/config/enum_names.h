// How the choices of the configuration are written in YAML.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "framework/config/run_config.h"

namespace peryton {

template <class E>
using Names = std::vector<std::pair<std::string, E>>;

// The names of every value of E; the overload is chosen by the (unused) argument.
const Names<Precision>& names_of(Precision);
const Names<SchedulePolicy>& names_of(SchedulePolicy);
const Names<AlphaMethod>& names_of(AlphaMethod);
const Names<GateKind>& names_of(GateKind);
const Names<EmbeddingMode>& names_of(EmbeddingMode);
const Names<ProjectorVariant>& names_of(ProjectorVariant);
const Names<ProjectorInit>& names_of(ProjectorInit);
const Names<Fidelity>& names_of(Fidelity);
const Names<StageKind>& names_of(StageKind);  // without `data`, which nobody writes
const Names<MatchBy>& names_of(MatchBy);
const Names<ExportWeights>& names_of(ExportWeights);
const Names<SearchMode>& names_of(SearchMode);

template <class E>
std::string name_of(E value) {
  for (const auto& [name, known] : names_of(E{})) {
    if (known == value) return name;
  }
  return "data";  // StageKind::kData
}

}  // namespace peryton
