// SPDX-License-Identifier: Apache-2.0
#include "framework/families/import.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "framework/checkpoint/model_folder.h"
#include "framework/ops/ternary_format.h"

namespace peryton {
namespace {

constexpr std::size_t kMaxListed = 50;

// What is wrong with a folder's tensors, gathered so that one error tells it all.
class Problems {
 public:
  template <class... Args>
  void add(fmt::format_string<Args...> text, Args&&... args) {
    lines_.push_back(fmt::format(text, std::forward<Args>(args)...));
  }
  void fail_if_any(const std::string& family, const ModelFolder& folder, const char* hint) const {
    if (lines_.empty()) return;
    std::string text = fmt::format("its weights do not fit its config.json as a {}:", family);
    for (std::size_t i = 0; i < lines_.size() && i < kMaxListed; ++i) text += "\n  " + lines_[i];
    if (lines_.size() > kMaxListed) {
      text += fmt::format("\n  and {} more", lines_.size() - kMaxListed);
    }
    fail_input(text, folder.path().string(), hint);
  }

 private:
  std::vector<std::string> lines_;
};

using FileNames = std::map<std::string, std::string>;  // parameter name -> name in the folder

FileNames canonical_names(const ModelFolder& folder, const Family& family, Problems& problems) {
  FileNames names;
  for (const std::string& name : folder.names()) {
    const auto canonical = family.canonical_name(name);
    if (!canonical) continue;  // a buffer of an old layout
    const auto [known, fresh] = names.emplace(*canonical, name);
    if (!fresh) problems.add("twice: '{}' and '{}' are the same weight", known->second, name);
  }
  return names;
}

bool same_values(const ModelFolder& folder, const std::string& a, const std::string& b) {
  if (folder.info(a).shape != folder.info(b).shape) return false;
  const Tensor left = folder.load(a, DType::kFloat64), right = folder.load(b, DType::kFloat64);
  return std::ranges::equal(left.values<double>(), right.values<double>());
}

constexpr const char* kHeadNames[] = {"lm_head.weight", "embed_out.weight"};

// A tied head that the file carries nevertheless; takes it out of `names` when it may be ignored.
void resolve_tied_head(const ModelFolder& folder, Component& component, FileNames& names,
                       Problems& problems) {
  if (!component.shape().tied_head) return;
  const auto embedding = names.find(component.embedding()->name);
  for (const char* head : kHeadNames) {
    const auto found = names.find(head);
    if (found == names.end() || found == embedding || embedding == names.end()) continue;
    const std::string file_name = found->second;
    const bool same = same_values(folder, file_name, embedding->second);
    names.erase(found);
    if (same) continue;
    problems.add(
        "two heads: the config ties the head to the embedding, but '{}' differs from '{}'; set "
        "\"tie_word_embeddings\": false in config.json to keep it, or remove it from the file",
        file_name, embedding->second);
  }
}

std::int64_t count_not_finite(const Tensor& tensor) {
  return dispatch_float(tensor.dtype(), "load", [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::int64_t count = 0;
    for (const T value : tensor.values<T>()) {
      count += !std::isfinite(static_cast<compute_t<T>>(value));
    }
    return count;
  });
}

void load_parameter(const ModelFolder& folder, const std::string& file_name, Parameter& parameter,
                    bool read_values, Problems& problems) {
  const StoredTensor& info = folder.info(file_name);
  if (info.shape != parameter.value.shape().vector()) {
    problems.add("wrong shape: '{}' should be {}, is {}", file_name, parameter.value.shape().text(),
                 shape_text(info.shape));
    return;
  }
  if (parameter.value.dtype() == DType::kUInt8) {  // packed weights stay as they are
    if (info.dtype != StoredDType::kU8) {
      problems.add("wrong type: '{}' holds {}, not packed bytes", file_name, name_of(info.dtype));
    } else if (read_values) {
      parameter.value = folder.load(file_name);
    }
    return;
  }
  if (!is_float(info.dtype)) {
    problems.add("wrong type: '{}' holds {}, not floating-point numbers", file_name,
                 name_of(info.dtype));
    return;
  }
  if (!read_values) return;
  const Tensor value = folder.load(file_name, parameter.value.dtype());
  const std::int64_t broken = count_not_finite(value);
  if (broken > 0) {
    problems.add("not finite: '{}' has {} NaN or infinite values of {}", file_name, broken,
                 value.elements());
  }
  parameter.value = value;
}

// A ternary weight in our file form (ops/ternary_format.h) brings a pair of parameters: the packed
// bytes of transformers and <name>_scale.
bool is_encoded(const ModelFolder& folder, const std::string& file_name,
                const Parameter& parameter) {
  const StoredTensor& info = folder.info(file_name);
  return parameter.value.dtype() == DType::kUInt8 && parameter.value.rank() == 2 &&
         info.dtype == StoredDType::kU8 && info.shape.size() == 1;
}

Parameter& parameter_named(const Component& component, const std::string& name) {
  const auto found =
      std::ranges::find(component.parameters(), name, [](const auto& each) { return each->name; });
  PERYTON_CHECK(found != component.parameters().end(), "no parameter {}", name);
  return **found;
}

void load_encoded(const ModelFolder& folder, const std::string& file_name, Parameter& packed,
                  const Parameter& scale, bool read_values, Problems& problems) {
  if (!read_values) return;
  const TernaryPtr matrix = decode_ternary(
      folder.load(file_name), fmt::format("{}, {}", folder.path().string(), file_name));
  const TernaryShape expected{4 * packed.value.size(0), packed.value.size(1)};
  if (matrix->shape.rows != expected.rows || matrix->shape.columns != expected.columns) {
    problems.add("wrong shape: '{}' should hold [{}, {}], holds [{}, {}]", file_name, expected.rows,
                 expected.columns, matrix->shape.rows, matrix->shape.columns);
    return;
  }
  packed.value = ternary_to_hf(*matrix);
  scale.value.fill(matrix->beta);
}

// `load`: null reads no values.
void load_weights(const ModelFolder& folder, const Family& family, Component& component,
                  const ComponentLoad* load) {
  Problems problems;
  FileNames names = canonical_names(folder, family, problems);
  const bool fresh_table = load != nullptr && load->fresh_vocabulary > 0;
  if (fresh_table) {
    for (const char* head : kHeadNames) names.erase(head);
    names.erase(component.embedding()->name);
  } else {
    resolve_tied_head(folder, component, names, problems);
  }
  std::set<std::string> brought;  // scales that came with their weights
  for (const ParameterPtr& parameter : component.parameters()) {
    if (fresh_table && parameter == component.embedding()) continue;
    if (brought.contains(parameter->name)) continue;
    const auto found = names.find(parameter->name);
    if (found == names.end()) {
      problems.add("missing: '{}' {}", parameter->name, parameter->value.shape().text());
      continue;
    }
    if (is_encoded(folder, found->second, *parameter)) {
      Parameter& scale = parameter_named(component, parameter->name + "_scale");
      brought.insert(scale.name);
      load_encoded(folder, found->second, *parameter, scale, load != nullptr, problems);
    } else {
      load_parameter(folder, found->second, *parameter, load != nullptr, problems);
    }
    names.erase(found);
    if (load == nullptr || load->keep == nullptr) continue;
    component.check_values(folder.path().string());
    component.pack_frozen(load->keep);
  }
  for (const auto& item : names) {
    problems.add("unexpected: '{}' {}", item.second, shape_text(folder.info(item.second).shape));
  }
  problems.fail_if_any(family.name(), folder,
                       "is config.json the one that belongs to these weights?");
}

LoadedComponent open_component(const ModelFolder& folder, const FamilyRegistry& registry,
                               const ComponentLoad* load) {
  const std::string where = folder.config_path().string();
  const Family& family = registry.for_config(folder.config(), where);
  LoadedComponent loaded;
  loaded.component = family.make(folder.config(), where, load ? load->dtype : DType::kBFloat16);
  if (load != nullptr && load->fresh_vocabulary > 0) {
    loaded.component =
        over_vocabulary(*loaded.component, family, load->fresh_vocabulary, where, load->dtype);
  }
  load_weights(folder, family, *loaded.component, load);
  if (load != nullptr) loaded.component->check_values(folder.path().string());
  loaded.family = family.name();
  loaded.source = folder.path().string();
  loaded.tokenizer = folder.tokenizer();
  return loaded;
}

}  // namespace

std::unique_ptr<Component> over_vocabulary(const Component& component, const Family& family,
                                           std::int64_t vocabulary, const std::string& where,
                                           DType dtype) {
  nlohmann::json config = component.config();
  config["vocab_size"] = vocabulary;
  config["tie_word_embeddings"] = true;
  return family.make(config, where, dtype);
}

LoadedComponent load_component(const std::filesystem::path& path, const FamilyRegistry& registry,
                               const ComponentLoad& load) {
  const ModelFolder folder = ModelFolder::open(path);
  LoadedComponent loaded = open_component(folder, registry, &load);
  loaded.content_hash = folder.content_hash();
  return loaded;
}

LoadedComponent describe_component(const std::filesystem::path& path,
                                   const FamilyRegistry& registry) {
  return open_component(ModelFolder::open(path), registry, nullptr);
}

}  // namespace peryton
