// SPDX-License-Identifier: Apache-2.0
#include "framework/ops/ternary_format.h"

#include <xxhash.h>

#include <cmath>
#include <cstring>

#include "kernels/ternary_pack/base3.h"

namespace peryton {
namespace {

constexpr char kMagic[8] = {'P', 'T', 'E', 'R', 'N', '3', '\0', '\1'};

struct Header {
  char magic[8];
  std::int64_t rows, columns;
  float beta;
  std::uint32_t flags;
  std::int64_t non_zeros;
  std::uint64_t checksum;
  std::uint8_t reserved[16];
};
static_assert(sizeof(Header) == 64);

// Beyond this, sizes in bytes could overflow.
constexpr std::int64_t kLargestSide = std::int64_t{1} << 30;

// Of the payload and of everything else in the header.
std::uint64_t checksum_of(Header header, const std::uint8_t* payload, std::int64_t bytes) {
  header.checksum = 0;
  const std::uint64_t seed = XXH3_64bits(payload, static_cast<std::size_t>(bytes));
  return XXH3_64bits_withSeed(&header, sizeof header, seed);
}

std::int64_t count_non_zeros(const TernaryMatrix& matrix) {
  std::int64_t ones = 0;  // codes 1; every byte has four codes
  const std::uint8_t* bytes = matrix.packed.data<std::uint8_t>();
  for (std::int64_t i = 0; i < matrix.shape.bytes(); ++i) {
    for (int shift = 0; shift < 8; shift += 2) ones += (bytes[i] >> shift & 3) == 1;
  }
  return 4 * matrix.shape.bytes() - ones;
}

[[noreturn]] void refuse(const std::string& what, const std::string& where) {
  fail_input("packed ternary weight: " + what, where, "the file is damaged; fetch it again");
}

}  // namespace

Tensor encode_ternary(const TernaryMatrix& matrix) {
  const std::int64_t payload = kernels::base3_bytes(matrix.shape);
  const Tensor bytes =
      Tensor::empty(DType::kUInt8, {static_cast<std::int64_t>(sizeof(Header)) + payload});
  std::uint8_t* to = bytes.data<std::uint8_t>();
  kernels::cpu::base3_from_packed(to + sizeof(Header), matrix.packed.data<std::uint8_t>(),
                                  matrix.shape);
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.rows = matrix.shape.rows;
  header.columns = matrix.shape.columns;
  header.beta = matrix.beta;
  header.non_zeros = count_non_zeros(matrix);
  header.checksum = checksum_of(header, to + sizeof(Header), payload);
  std::memcpy(to, &header, sizeof header);
  return bytes;
}

TernaryPtr decode_ternary(const Tensor& bytes, const std::string& where) {
  PERYTON_CHECK(bytes.dtype() == DType::kUInt8 && bytes.contiguous());
  Header header;
  if (bytes.bytes() < static_cast<std::int64_t>(sizeof header)) refuse("cut short", where);
  std::memcpy(&header, bytes.raw(), sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) {
    refuse("it does not begin like one", where);
  }
  const bool sane = header.rows > 0 && header.rows <= kLargestSide && header.columns > 0 &&
                    header.columns <= kLargestSide && header.flags == 0;
  if (!sane) refuse("impossible header", where);
  if (!std::isfinite(header.beta) || header.beta <= 0) {
    refuse(fmt::format("scale {}", header.beta), where);
  }
  auto matrix = std::make_shared<TernaryMatrix>();
  matrix->shape = {header.rows, header.columns};
  matrix->beta = header.beta;
  const std::int64_t payload = bytes.bytes() - static_cast<std::int64_t>(sizeof header);
  if (payload != kernels::base3_bytes(matrix->shape)) {
    refuse(fmt::format("{} bytes of weights, {} expected", payload,
                       kernels::base3_bytes(matrix->shape)),
           where);
  }
  const std::uint8_t* from = bytes.data<std::uint8_t>() + sizeof header;
  if (checksum_of(header, from, payload) != header.checksum) refuse("wrong checksum", where);
  matrix->packed = Tensor::empty(DType::kUInt8, {matrix->shape.bytes()});
  const std::int64_t bad =
      kernels::cpu::packed_from_base3(matrix->packed.data<std::uint8_t>(), from, matrix->shape);
  if (bad >= 0) refuse(fmt::format("byte {} holds no weights", bad), where);
  if (count_non_zeros(*matrix) != header.non_zeros) refuse("wrong number of non-zeros", where);
  return matrix;
}

TernaryPtr ternary_from_hf(const Tensor& packed, std::int64_t rows, float beta,
                           const std::string& where) {
  const std::int64_t stride = (rows + 3) / 4;
  if (packed.rank() != 2 || packed.dtype() != DType::kUInt8 || packed.size(0) != stride) {
    fail_input(fmt::format("packed ternary weight {} {} for {} rows", name_of(packed.dtype()),
                           packed.shape().text(), rows),
               where, fmt::format("uint8 [{}, columns] was expected", stride));
  }
  const std::int64_t columns = packed.size(1);
  const Tensor codes = Tensor::empty(DType::kUInt8, {rows, columns});
  const std::uint8_t* from = packed.data<std::uint8_t>();
  for (std::int64_t i = 0; i < 4 * stride; ++i) {
    const std::uint8_t* line = from + i % stride * packed.stride(0);
    for (std::int64_t k = 0; k < columns; ++k) {
      const std::uint8_t code = line[k] >> 2 * (i / stride) & 3;
      if (code == 3) {
        fail_input(fmt::format("packed ternary weight: code 3 at row {}, column {}", i, k), where,
                   "the file is damaged, or packed another way");
      }
      if (i < rows) codes.data<std::uint8_t>()[i * columns + k] = code;
    }
  }
  return ternary_from_codes(codes, beta, where);
}

Tensor ternary_to_hf(const TernaryMatrix& matrix) {
  const std::int64_t rows = matrix.shape.rows, columns = matrix.shape.columns;
  const std::int64_t stride = (rows + 3) / 4;
  const Tensor codes = ternary_codes(matrix);
  const Tensor packed = Tensor::zeros(DType::kUInt8, {stride, columns});
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::uint8_t* from = codes.data<std::uint8_t>() + i * columns;
    std::uint8_t* line = packed.data<std::uint8_t>() + i % stride * columns;
    for (std::int64_t k = 0; k < columns; ++k) {
      line[k] = static_cast<std::uint8_t>(line[k] | from[k] << 2 * (i / stride));
    }
  }
  return packed;
}

}  // namespace peryton
