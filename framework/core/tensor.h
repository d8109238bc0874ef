// A tensor is a dtype, a shape, strides, a device and a shared buffer. It is a cheap value type;
// copies view the same memory. The last dimension is contiguous, the others may be strided, so
// columns of a fused projection are views, not copies.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "framework/core/error.h"
#include "framework/core/memory.h"
#include "kernels/common/device.h"
#include "kernels/common/dtype.h"

namespace peryton {

// Up to six dimensions, row-major order; dimension 0 is the outermost. Units: elements.
class Shape {
 public:
  static constexpr int kMaxRank = 6;
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes);
  explicit Shape(std::span<const std::int64_t> sizes);

  int rank() const { return rank_; }
  std::int64_t operator[](int dim) const { return sizes_[check(dim)]; }
  std::int64_t& operator[](int dim) { return sizes_[check(dim)]; }
  std::int64_t elements() const;
  std::string text() const;  // "[2, 3]"
  std::vector<std::int64_t> vector() const { return {sizes_.begin(), sizes_.begin() + rank_}; }
  friend bool operator==(const Shape& a, const Shape& b) { return a.vector() == b.vector(); }

 private:
  // Negative dimensions count from the end.
  int check(int dim) const {
    const int resolved = dim < 0 ? dim + rank_ : dim;
    PERYTON_CHECK(resolved >= 0 && resolved < rank_, "dimension {} of rank {}", dim, rank_);
    return resolved;
  }
  std::array<std::int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

class Tensor {
 public:
  Tensor() = default;  // empty: defined() is false

  static Tensor empty(DType dtype, const Shape& shape);  // uninitialised
  static Tensor zeros(DType dtype, const Shape& shape);
  static Tensor full(DType dtype, const Shape& shape, double value);
  static Tensor from_buffer(std::shared_ptr<Buffer> buffer, std::int64_t byte_offset, DType dtype,
                            const Shape& shape);
  template <class T>
  static Tensor from_values(const Shape& shape, std::span<const T> values);

  bool defined() const { return buffer_ != nullptr; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  const Shape& shape() const { return shape_; }
  std::int64_t size(int dim) const { return shape_[dim]; }
  std::int64_t stride(int dim) const;  // elements
  int rank() const { return shape_.rank(); }
  std::int64_t elements() const { return shape_.elements(); }
  std::int64_t bytes() const { return elements() * size_of(dtype_); }
  bool contiguous() const;

  // Typed access; the dtype must be T's.
  template <class T>
  T* data() const {
    PERYTON_CHECK(dtype_ == DTypeOf<T>::value, "tensor is {}, not {}", name_of(dtype_),
                  name_of(DTypeOf<T>::value));
    return static_cast<T*>(raw());
  }
  void* raw() const { return buffer_ ? buffer_->data() + byte_offset_ : nullptr; }
  // All elements in order; the tensor must be contiguous.
  template <class T>
  std::span<T> values() const {
    PERYTON_CHECK(contiguous(), "values() of a strided tensor {}", shape_.text());
    return {data<T>(), static_cast<std::size_t>(elements())};
  }
  double item() const;  // the only element, as double

  // Views. None of them copies.
  Tensor slice(int dim, std::int64_t begin, std::int64_t end) const;
  Tensor reshape(const Shape& shape) const;  // contiguous tensors only
  // Splits the last dimension of a (possibly strided) tensor into several; the others stay.
  Tensor split_last(std::initializer_list<std::int64_t> sizes) const;
  Tensor view(const Shape& shape, std::span<const std::int64_t> strides) const;
  // All but the last dimension flattened: [rows, last]. Works for a tensor whose leading dimensions
  // have a common row stride.
  Tensor rows() const;

  // Copies.
  Tensor contiguous_copy() const;
  Tensor as_contiguous() const { return contiguous() ? *this : contiguous_copy(); }
  Tensor to(DType dtype) const;  // converts; the same tensor when the dtype is right already
  void copy_from(const Tensor& source) const;  // same shape, any floating dtype pair, any strides
  void fill(double value) const;

 private:
  std::shared_ptr<Buffer> buffer_;
  std::int64_t byte_offset_ = 0;
  DType dtype_ = DType::kFloat32;
  Device device_;
  Shape shape_;
  std::array<std::int64_t, Shape::kMaxRank> strides_{};
};

template <class T>
Tensor Tensor::from_values(const Shape& shape, std::span<const T> values) {
  Tensor tensor = empty(DTypeOf<T>::value, shape);
  PERYTON_CHECK(static_cast<std::int64_t>(values.size()) == shape.elements());
  std::copy(values.begin(), values.end(), tensor.values<T>().begin());
  return tensor;
}

}  // namespace peryton
