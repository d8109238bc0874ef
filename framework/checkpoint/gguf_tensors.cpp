// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/gguf_tensors.h"

#include <algorithm>
#include <limits>

#include "framework/core/error.h"

namespace peryton {
namespace {

constexpr std::uint32_t kMostDimensions = 4;
constexpr std::uint32_t kBitnetCpp = 36;  // a type that only bitnet.cpp has
constexpr const char* kDamagedGgufHint =
    "the file is damaged or incomplete: copy or download it again";

std::vector<std::int64_t> read_shape(GgufCursor& cursor) {
  const std::uint32_t rank = cursor.u32("a tensor's number of dimensions");
  if (rank > kMostDimensions) cursor.fail(fmt::format("it has {} dimensions", rank));
  std::vector<std::int64_t> shape;
  for (std::uint32_t i = 0; i < rank; ++i) {
    const std::uint64_t size = cursor.u64("a tensor's size");
    if (!std::in_range<std::int64_t>(size)) cursor.fail(fmt::format("a size is {}", size));
    shape.insert(shape.begin(), static_cast<std::int64_t>(size));
  }
  return shape;
}

// Elements, or an error: damaged sizes must not overflow into plausible ones.
std::int64_t checked_elements(const GgufCursor& cursor, const std::vector<std::int64_t>& shape) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 16;
  std::int64_t elements = 1;
  for (const std::int64_t size : shape) {
    if (__builtin_mul_overflow(elements, std::max<std::int64_t>(size, 1), &elements) ||
        elements > kMost) {
      cursor.fail(fmt::format("its shape {} is impossibly large", shape_text(shape)));
    }
  }
  return std::ranges::count(shape, 0) > 0 ? 0 : elements;
}

void read_info(GgufCursor& cursor, GgufInfo& info) {
  info.tensor.shape = read_shape(cursor);
  const std::uint32_t id = cursor.u32("a tensor's type");
  info.offset = cursor.u64("a tensor's offset");
  info.tensor.type = gguf_tensor_type(id);
  if (info.tensor.type == nullptr) {
    fail_input(
        fmt::format("has a type with the number {}, which is unknown", id), cursor.where(),
        id == kBitnetCpp
            ? "it is I2_S of bitnet.cpp, laid out as suits the machine that wrote it: take the "
              "model's safetensors files, which Peryton reads"
            : "the file is damaged, or of a newer kind");
  }
  const GgufTensorType& type = *info.tensor.type;
  const std::int64_t elements = checked_elements(cursor, info.tensor.shape);
  const std::int64_t row = info.tensor.shape.empty() ? 1 : info.tensor.shape.back();
  if (row % type.block_elements != 0) {
    cursor.fail(fmt::format("rows of {} elements do not divide into {} blocks of {}", row,
                            type.name, type.block_elements));
  }
  info.size = static_cast<std::uint64_t>(elements / type.block_elements * type.block_bytes);
}

}  // namespace

std::int64_t GgufTensor::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

std::vector<GgufInfo> read_gguf_infos(GgufCursor& cursor, std::uint64_t count) {
  std::vector<GgufInfo> infos;
  for (std::uint64_t i = 0; i < count; ++i) {
    GgufInfo info;
    info.name = cursor.string("a tensor's name");
    if (info.name.empty()) cursor.fail("a tensor has no name");
    try {
      read_info(cursor, info);
    } catch (const Error& error) {
      fail_input(error.message(), fmt::format("{}, tensor '{}'", cursor.where(), info.name),
                 error.hint());
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

std::map<std::string, GgufTensor> place_gguf_tensors(const std::vector<GgufInfo>& infos,
                                                     std::span<const std::byte> bytes,
                                                     std::size_t head, std::uint64_t alignment,
                                                     const std::string& where) {
  const std::uint64_t begin = (head + alignment - 1) / alignment * alignment;
  const std::uint64_t data = begin < bytes.size() ? bytes.size() - begin : 0;
  std::vector<const GgufInfo*> order;
  for (const GgufInfo& info : infos) order.push_back(&info);
  std::ranges::sort(order, {},
                    [](const GgufInfo* info) { return std::pair(info->offset, info->size); });
  std::map<std::string, GgufTensor> tensors;
  std::uint64_t covered = 0;
  for (const GgufInfo* info : order) {
    const auto fail = [&](const std::string& message) {
      fail_input(message, fmt::format("{}, tensor '{}'", where, info->name), kDamagedGgufHint);
    };
    if (info->offset % alignment != 0) {
      fail(fmt::format("its offset {} is no multiple of {}", info->offset, alignment));
    }
    if (info->size > data || info->offset > data - info->size) {
      fail(fmt::format("its {} bytes at {} lie outside of the file's {} data bytes", info->size,
                       info->offset, data));
    }
    if (info->offset < covered) fail("its data overlaps another tensor's");
    covered = info->offset + info->size;
    GgufTensor tensor = info->tensor;
    if (info->size > 0) tensor.bytes = bytes.subspan(begin + info->offset, info->size);
    if (!tensors.emplace(info->name, std::move(tensor)).second) fail("the name stands twice");
  }
  return tensors;
}

Tensor load_gguf_tensor(const GgufTensor& tensor, DType as, const std::string& place) {
  const GgufTensorType& type = *tensor.type;
  if (type.plain) return tensor_from_stored({*type.plain, tensor.shape}, tensor.bytes, as, place);
  if (type.decode == nullptr) {
    fail_input(fmt::format("has the type {}, which is not supported", type.name), place,
               "supported: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, "
               "Q6_K, IQ4_NL, IQ4_XS, TQ1_0, TQ2_0");
  }
  Tensor result = Tensor::empty(as, Shape(tensor.shape));
  const std::int64_t blocks = tensor.elements() / type.block_elements;
  dispatch_float(as, "load", [&](auto tag) {
    using T = typename decltype(tag)::type;
    float elements[kGgufLargestBlock];
    T* to = result.data<T>();
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::byte* bytes = tensor.bytes.data() + block * type.block_bytes;
      if (type.valid != nullptr && !type.valid(bytes)) {
        fail_input(fmt::format("block {} holds a byte that no {} has", block, type.name), place,
                   kDamagedGgufHint);
      }
      type.decode(bytes, elements);
      for (std::int64_t i = 0; i < type.block_elements; ++i) {
        *to++ = static_cast<T>(static_cast<compute_t<T>>(elements[i]));
      }
    }
  });
  return result;
}

}  // namespace peryton
