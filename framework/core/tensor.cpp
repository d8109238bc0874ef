// SPDX-License-Identifier: Apache-2.0
#include "framework/core/tensor.h"

#include <algorithm>
#include <cstring>

namespace peryton {

Shape::Shape(std::initializer_list<std::int64_t> sizes)
    : Shape(std::span<const std::int64_t>(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const std::int64_t> sizes) : rank_(static_cast<int>(sizes.size())) {
  PERYTON_CHECK(rank_ <= kMaxRank, "rank {} is above {}", rank_, kMaxRank);
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
}

std::int64_t Shape::elements() const {
  std::int64_t count = 1;
  for (int dim = 0; dim < rank_; ++dim) count *= sizes_[dim];
  return count;
}

std::string Shape::text() const {
  return fmt::format("[{}]", fmt::join(sizes_.begin(), sizes_.begin() + rank_, ", "));
}

namespace {

std::array<std::int64_t, Shape::kMaxRank> dense_strides(const Shape& shape) {
  std::array<std::int64_t, Shape::kMaxRank> strides{};
  std::int64_t step = 1;
  for (int dim = shape.rank() - 1; dim >= 0; --dim) {
    strides[dim] = step;
    step *= shape[dim];
  }
  return strides;
}

// Calls f(offset_a, offset_b) for every row (all dimensions but the last) of two tensors of one
// shape.
template <class F>
void for_each_row(const Tensor& a, const Tensor& b, F&& f) {
  const int outer = a.rank() - 1;
  std::array<std::int64_t, Shape::kMaxRank> index{};
  std::int64_t rows = 1;
  for (int dim = 0; dim < outer; ++dim) rows *= a.size(dim);
  for (std::int64_t row = 0; row < rows; ++row) {
    std::int64_t offset_a = 0, offset_b = 0;
    for (int dim = 0; dim < outer; ++dim) {
      offset_a += index[dim] * a.stride(dim);
      offset_b += index[dim] * b.stride(dim);
    }
    f(offset_a, offset_b);
    for (int dim = outer - 1; dim >= 0 && ++index[dim] == a.size(dim); --dim) index[dim] = 0;
  }
}

template <class To, class From>
void convert_rows(const Tensor& target, const Tensor& source) {
  To* to = target.data<To>();
  const From* from = source.data<From>();
  const std::int64_t width = target.rank() == 0 ? 1 : target.size(-1);
  for_each_row(target, source, [&](std::int64_t to_offset, std::int64_t from_offset) {
    for (std::int64_t i = 0; i < width; ++i) {
      to[to_offset + i] = static_cast<To>(static_cast<compute_t<From>>(from[from_offset + i]));
    }
  });
}

}  // namespace

Tensor Tensor::empty(DType dtype, const Shape& shape) {
  return from_buffer(Buffer::allocate(shape.elements() * size_of(dtype)), 0, dtype, shape);
}

Tensor Tensor::zeros(DType dtype, const Shape& shape) {
  Tensor tensor = empty(dtype, shape);
  std::memset(tensor.raw(), 0, static_cast<std::size_t>(tensor.bytes()));
  return tensor;
}

Tensor Tensor::full(DType dtype, const Shape& shape, double value) {
  Tensor tensor = empty(dtype, shape);
  tensor.fill(value);
  return tensor;
}

Tensor Tensor::from_buffer(std::shared_ptr<Buffer> buffer, std::int64_t byte_offset, DType dtype,
                           const Shape& shape) {
  PERYTON_CHECK(byte_offset >= 0 &&
                byte_offset + shape.elements() * size_of(dtype) <= buffer->bytes());
  Tensor tensor;
  tensor.buffer_ = std::move(buffer);
  tensor.byte_offset_ = byte_offset;
  tensor.dtype_ = dtype;
  tensor.shape_ = shape;
  tensor.strides_ = dense_strides(shape);
  return tensor;
}

std::int64_t Tensor::stride(int dim) const {
  const int resolved = dim < 0 ? dim + rank() : dim;
  PERYTON_CHECK(resolved >= 0 && resolved < rank());
  return strides_[resolved];
}

bool Tensor::contiguous() const {
  const auto dense = dense_strides(shape_);
  for (int dim = 0; dim < rank(); ++dim) {
    if (shape_[dim] != 1 && strides_[dim] != dense[dim]) return false;
  }
  return true;
}

double Tensor::item() const {
  PERYTON_CHECK(elements() == 1, "item() of a tensor {}", shape_.text());
  if (dtype_ == DType::kInt32) return *data<std::int32_t>();
  return dispatch_float(dtype_, "item", [&](auto tag) {
    using T = typename decltype(tag)::type;
    return static_cast<double>(static_cast<compute_t<T>>(*data<T>()));
  });
}

Tensor Tensor::slice(int dim, std::int64_t begin, std::int64_t end) const {
  const int resolved = dim < 0 ? dim + rank() : dim;
  PERYTON_CHECK(begin >= 0 && begin <= end && end <= size(resolved), "slice [{}, {}) of {} dim {}",
                begin, end, shape_.text(), dim);
  Tensor view = *this;
  view.byte_offset_ += begin * strides_[resolved] * size_of(dtype_);
  view.shape_[resolved] = end - begin;
  return view;
}

Tensor Tensor::reshape(const Shape& shape) const {
  PERYTON_CHECK(contiguous(), "reshape of a strided tensor {}", shape_.text());
  PERYTON_CHECK(shape.elements() == elements(), "reshape {} to {}", shape_.text(), shape.text());
  Tensor view = *this;
  view.shape_ = shape;
  view.strides_ = dense_strides(shape);
  return view;
}

Tensor Tensor::split_last(std::initializer_list<std::int64_t> sizes) const {
  std::vector<std::int64_t> shape = shape_.vector();
  std::vector<std::int64_t> strides(strides_.begin(), strides_.begin() + rank());
  shape.pop_back();
  strides.pop_back();
  std::int64_t step = size(-1);
  for (const std::int64_t part : sizes) {
    PERYTON_CHECK(part > 0 && step % part == 0);
    step /= part;
    shape.push_back(part);
    strides.push_back(step);
  }
  PERYTON_CHECK(step == 1, "split_last of {} does not use every element", shape_.text());
  return view(Shape(std::span<const std::int64_t>(shape)), strides);
}

Tensor Tensor::view(const Shape& shape, std::span<const std::int64_t> strides) const {
  PERYTON_CHECK(static_cast<int>(strides.size()) == shape.rank());
  std::int64_t last = 0;
  for (int dim = 0; dim < shape.rank(); ++dim) last += (shape[dim] - 1) * strides[dim];
  PERYTON_CHECK(
      shape.elements() == 0 || byte_offset_ + (last + 1) * size_of(dtype_) <= buffer_->bytes(),
      "view {} reaches past its buffer", shape.text());
  Tensor view = *this;
  view.shape_ = shape;
  std::copy(strides.begin(), strides.end(), view.strides_.begin());
  return view;
}

Tensor Tensor::rows() const {
  PERYTON_CHECK(rank() >= 1);
  if (rank() == 1) return view({1, size(0)}, std::array<std::int64_t, 2>{size(0), 1});
  for (int dim = 0; dim + 2 < rank(); ++dim) {
    PERYTON_CHECK(size(dim) == 1 || strides_[dim] == strides_[dim + 1] * size(dim + 1),
                  "rows() of a tensor {} without a common row stride", shape_.text());
  }
  const std::int64_t count = size(-1) == 0 ? 0 : elements() / size(-1);
  return view({count, size(-1)}, std::array<std::int64_t, 2>{stride(-2), 1});
}

Tensor Tensor::contiguous_copy() const {
  Tensor copy = empty(dtype_, shape_);
  copy.copy_from(*this);
  return copy;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor copy = empty(dtype, shape_);
  copy.copy_from(*this);
  return copy;
}

void Tensor::copy_from(const Tensor& source) const {
  PERYTON_CHECK(source.shape() == shape_, "copy {} into {}", source.shape().text(), shape_.text());
  if (source.dtype() == dtype_) {
    const std::int64_t row_bytes = (rank() == 0 ? 1 : size(-1)) * size_of(dtype_);
    auto* to = static_cast<std::byte*>(raw());
    const auto* from = static_cast<const std::byte*>(source.raw());
    if (contiguous() && source.contiguous()) {
      std::memcpy(to, from, static_cast<std::size_t>(bytes()));
      return;
    }
    for_each_row(*this, source, [&](std::int64_t to_offset, std::int64_t from_offset) {
      std::memcpy(to + to_offset * size_of(dtype_), from + from_offset * size_of(dtype_),
                  static_cast<std::size_t>(row_bytes));
    });
    return;
  }
  dispatch_float(dtype_, "copy", [&](auto to) {
    dispatch_float(source.dtype(), "copy", [&](auto from) {
      convert_rows<typename decltype(to)::type, typename decltype(from)::type>(*this, source);
    });
  });
}

void Tensor::fill(double value) const {
  if (dtype_ == DType::kInt32) {
    std::ranges::fill(values<std::int32_t>(), static_cast<std::int32_t>(value));
    return;
  }
  dispatch_float(dtype_, "fill", [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T element = static_cast<T>(static_cast<compute_t<T>>(value));
    for_each_row(*this, *this, [&](std::int64_t offset, std::int64_t) {
      std::fill_n(data<T>() + offset, rank() == 0 ? 1 : size(-1), element);
    });
  });
}

}  // namespace peryton
