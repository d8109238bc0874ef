// SPDX-License-Identifier: Apache-2.0
#include "framework/config/enum_names.h"

namespace peryton {

const Names<Precision>& names_of(Precision) {
  static const Names<Precision> names = {
      {"fp32", Precision::kFp32}, {"bf16", Precision::kBf16}, {"auto", Precision::kAuto}};
  return names;
}

const Names<SchedulePolicy>& names_of(SchedulePolicy) {
  static const Names<SchedulePolicy> names = {{"constant", SchedulePolicy::kConstant},
                                              {"cosine", SchedulePolicy::kCosine},
                                              {"linear", SchedulePolicy::kLinear},
                                              {"wsd", SchedulePolicy::kWsd}};
  return names;
}

const Names<AlphaMethod>& names_of(AlphaMethod) {
  static const Names<AlphaMethod> names = {{"softmax", AlphaMethod::kSoftmax},
                                           {"gumbel", AlphaMethod::kGumbel},
                                           {"simplex", AlphaMethod::kSimplex},
                                           {"fixed", AlphaMethod::kFixed}};
  return names;
}

const Names<GateKind>& names_of(GateKind) {
  static const Names<GateKind> names = {{"manticore", GateKind::kManticore},
                                        {"transition", GateKind::kTransition}};
  return names;
}

const Names<EmbeddingMode>& names_of(EmbeddingMode) {
  static const Names<EmbeddingMode> names = {{"keep", EmbeddingMode::kKeep},
                                             {"fresh", EmbeddingMode::kFresh},
                                             {"shared", EmbeddingMode::kShared}};
  return names;
}

const Names<ProjectorVariant>& names_of(ProjectorVariant) {
  static const Names<ProjectorVariant> names = {
      {"default", ProjectorVariant::kDefault},
      {"linear", ProjectorVariant::kLinear},
      {"linear_skip", ProjectorVariant::kLinearSkip},
      {"two_layer", ProjectorVariant::kTwoLayer},
      {"two_layer_skip", ProjectorVariant::kTwoLayerSkip}};
  return names;
}

const Names<ProjectorInit>& names_of(ProjectorInit) {
  static const Names<ProjectorInit> names = {{"variant", ProjectorInit::kVariant},
                                             {"random", ProjectorInit::kRandom},
                                             {"identity", ProjectorInit::kIdentity}};
  return names;
}

const Names<Fidelity>& names_of(Fidelity) {
  static const Names<Fidelity> names = {{"ours", Fidelity::kOurs},
                                        {"released_code", Fidelity::kReleasedCode}};
  return names;
}

const Names<StageKind>& names_of(StageKind) {
  static const Names<StageKind> names = {{"pretrain", StageKind::kPretrain},
                                         {"fit_projectors", StageKind::kFitProjectors},
                                         {"train_projectors", StageKind::kTrainProjectors},
                                         {"search", StageKind::kSearch},
                                         {"discretise", StageKind::kDiscretise},
                                         {"finetune", StageKind::kFinetune},
                                         {"evaluate", StageKind::kEvaluate},
                                         {"generate", StageKind::kGenerate},
                                         {"export", StageKind::kExport}};
  return names;
}

const Names<ExportWeights>& names_of(ExportWeights) {
  static const Names<ExportWeights> names = {{"as_trained", ExportWeights::kAsTrained},
                                             {"packed", ExportWeights::kPacked},
                                             {"compact", ExportWeights::kCompact}};
  return names;
}

const Names<MatchBy>& names_of(MatchBy) {
  static const Names<MatchBy> names = {{"tokens", MatchBy::kTokens}, {"flops", MatchBy::kFlops}};
  return names;
}

const Names<SearchMode>& names_of(SearchMode) {
  static const Names<SearchMode> names = {{"single_level", SearchMode::kSingleLevel},
                                          {"alternating", SearchMode::kAlternating}};
  return names;
}

}  // namespace peryton
