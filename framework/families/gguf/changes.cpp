// SPDX-License-Identifier: Apache-2.0
#include "framework/families/gguf/changes.h"

#include <cmath>
#include <cstring>

#include "framework/core/error.h"

namespace peryton::gguf {
namespace {

// Row r of the result is row source(r) of the tensor.
template <class Source>
Tensor rows_from(const Tensor& tensor, const Source& source) {
  Tensor result = Tensor::empty(tensor.dtype(), tensor.shape());
  const std::int64_t rows = tensor.size(0), bytes = tensor.bytes() / rows;
  for (std::int64_t row = 0; row < rows; ++row) {
    std::memcpy(static_cast<std::byte*>(result.raw()) + row * bytes,
                static_cast<const std::byte*>(tensor.raw()) + source(row) * bytes,
                static_cast<std::size_t>(bytes));
  }
  return result;
}

// Rows of one of `parts` equal parts, which must divide into pairs where `paired`.
std::int64_t rows_of_part(const Tensor& tensor, std::int64_t parts, bool paired,
                          const std::string& place) {
  const std::int64_t rows = tensor.rank() > 0 ? tensor.size(0) : 0;
  const std::int64_t each = parts * (paired ? 2 : 1);
  if (rows == 0 || rows % each != 0) {
    fail_input(
        fmt::format("its shape {} does not divide into {} heads", tensor.shape().text(), parts),
        place);
  }
  return rows / parts;
}

Tensor without_interleaving(const Tensor& tensor, std::int64_t heads, const std::string& place) {
  const std::int64_t head = rows_of_part(tensor, heads, /*paired=*/true, place);
  return rows_from(tensor, [&](std::int64_t row) {
    const std::int64_t inside = row % head, half = inside / (head / 2), i = inside % (head / 2);
    return row - inside + 2 * i + half;
  });
}

Tensor head_by_head(const Tensor& tensor, std::int64_t heads, const std::string& place) {
  const std::int64_t head = rows_of_part(tensor, 3 * heads, /*paired=*/false, place);
  return rows_from(tensor, [&](std::int64_t row) {
    const std::int64_t h = row / (3 * head), kind = row / head % 3;
    return (kind * heads + h) * head + row % head;
  });
}

Tensor transposed(const Tensor& tensor, const std::string& place) {
  if (tensor.rank() != 2) fail_input("is not a matrix: " + tensor.shape().text(), place);
  const std::int64_t rows = tensor.size(0), columns = tensor.size(1);
  Tensor result = Tensor::empty(tensor.dtype(), {columns, rows});
  dispatch_float(tensor.dtype(), "import", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = tensor.data<T>();
    T* to = result.data<T>();
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t c = 0; c < columns; ++c) to[c * rows + row] = from[row * columns + c];
    }
  });
  return result;
}

Tensor logarithm_of_negative(const Tensor& tensor, const std::string& place) {
  Tensor result = Tensor::empty(tensor.dtype(), tensor.shape());
  dispatch_float(tensor.dtype(), "import", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = tensor.data<T>();
    T* to = result.data<T>();
    for (std::int64_t i = 0; i < tensor.elements(); ++i) {
      const double value = static_cast<double>(static_cast<compute_t<T>>(from[i]));
      if (!(value < 0)) fail_input(fmt::format("element {} is {}, not negative", i, value), place);
      to[i] = static_cast<T>(static_cast<compute_t<T>>(std::log(-value)));
    }
  });
  return result;
}

Tensor flat(const Tensor& tensor) { return tensor.reshape({tensor.elements()}); }

}  // namespace

Tensor changed(const Tensor& tensor, Change change, const Settings& settings,
               const std::string& place) {
  const auto heads = [&] { return settings.count("attention.head_count"); };
  switch (change) {
    case Change::kNone:
      return tensor;
    case Change::kInterleavedQueries:
      return without_interleaving(tensor, heads(), place);
    case Change::kInterleavedKeys:
      return without_interleaving(tensor, settings.count("attention.head_count_kv", heads()),
                                  place);
    case Change::kSeparateHeads:
      return head_by_head(tensor, heads(), place);
    case Change::kTransposed:
      return transposed(tensor, place);
    case Change::kNegativeExponential:
      return logarithm_of_negative(tensor, place);
    case Change::kFlatNegativeExponential:
      return flat(logarithm_of_negative(tensor, place));
    case Change::kFlat:
      return flat(tensor);
    case Change::kNarrow:
      if (tensor.rank() != 2) fail_input("is not a matrix: " + tensor.shape().text(), place);
      return tensor.reshape({tensor.size(0), 1, tensor.size(1)});
  }
  return tensor;
}

}  // namespace peryton::gguf
