// SPDX-License-Identifier: Apache-2.0
#include "framework/checkpoint/zip_archive.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "framework/core/error.h"

namespace peryton {
namespace {

constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEnd64LocatorSignature = 0x07064b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50;
constexpr std::uint32_t kCentralSignature = 0x02014b50;
constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::uint64_t kEndBytes = 22;
constexpr std::uint64_t kMaxComment = 65535;
constexpr std::uint64_t kSaturated32 = 0xffffffff;

static_assert(std::endian::native == std::endian::little,
              "the formats read here are little-endian");

// Bounds-checked little-endian reads.
class Bytes {
 public:
  Bytes(std::span<const std::byte> file, const std::string& where) : file_(file), where_(where) {}

  template <class T>
  std::uint64_t read(std::uint64_t offset) const {
    T value;
    std::memcpy(&value, range(offset, sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::uint64_t u16(std::uint64_t offset) const { return read<std::uint16_t>(offset); }
  std::uint64_t u32(std::uint64_t offset) const { return read<std::uint32_t>(offset); }
  std::uint64_t u64(std::uint64_t offset) const { return read<std::uint64_t>(offset); }
  std::span<const std::byte> range(std::uint64_t offset, std::uint64_t count) const {
    if (offset > file_.size() || count > file_.size() - offset)
      damaged("an entry reaches past its end");
    return file_.subspan(offset, count);
  }
  std::string text(std::uint64_t offset, std::uint64_t count) const {
    const auto bytes = range(offset, count);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::uint64_t size() const { return file_.size(); }
  [[noreturn]] void damaged(const std::string& what) const {
    fail_input("damaged zip archive: " + what, where_,
               "the file is damaged or incomplete: copy or download it again");
  }

 private:
  std::span<const std::byte> file_;
  const std::string& where_;
};

struct Directory {
  std::uint64_t entries, offset;
};

Directory find_directory(const Bytes& bytes) {
  if (bytes.size() < kEndBytes) bytes.damaged("too short");
  const std::uint64_t last = bytes.size() - kEndBytes;
  const std::uint64_t first = last > kMaxComment ? last - kMaxComment : 0;
  for (std::uint64_t at = last + 1; at-- > first;) {
    if (bytes.u32(at) != kEndSignature) continue;
    const Directory directory{bytes.u16(at + 10), bytes.u32(at + 16)};
    const bool zip64 = directory.entries == 0xffff || directory.offset == kSaturated32;
    if (!zip64) return directory;
    if (at < 20 || bytes.u32(at - 20) != kEnd64LocatorSignature) bytes.damaged("no zip64 record");
    const std::uint64_t end64 = bytes.u64(at - 12);
    if (bytes.u32(end64) != kEnd64Signature) bytes.damaged("no zip64 record");
    // A sum that wraps lands outside of the file and is caught by the next read.
    return {bytes.u64(end64 + 32), bytes.u64(end64 + 48)};
  }
  bytes.damaged("no directory at its end, so it is truncated");
}

struct Record {
  std::string name;
  std::uint64_t size, local_offset, crc, next;
};

// Replaces saturated 32-bit fields by those of the zip64 extra field.
void apply_zip64(const Bytes& bytes, std::uint64_t extra, std::uint64_t extra_bytes,
                 std::uint64_t& compressed, Record& record) {
  for (std::uint64_t at = extra; at + 4 <= extra + extra_bytes;) {
    const std::uint64_t id = bytes.u16(at), length = bytes.u16(at + 2);
    std::uint64_t field = at + 4;
    if (id == 1) {
      for (std::uint64_t* value : {&record.size, &compressed, &record.local_offset}) {
        if (*value != kSaturated32) continue;
        *value = bytes.u64(field);
        field += 8;
      }
    }
    at += 4 + length;
  }
}

Record read_record(const Bytes& bytes, std::uint64_t at) {
  if (bytes.u32(at) != kCentralSignature) bytes.damaged("its directory is broken");
  const std::uint64_t flags = bytes.u16(at + 8), method = bytes.u16(at + 10);
  std::uint64_t compressed = bytes.u32(at + 20);
  const std::uint64_t name_bytes = bytes.u16(at + 28), extra_bytes = bytes.u16(at + 30);
  Record record{bytes.text(at + 46, name_bytes), bytes.u32(at + 24), bytes.u32(at + 42),
                bytes.u32(at + 16), 0};
  apply_zip64(bytes, at + 46 + name_bytes, extra_bytes, compressed, record);
  if ((flags & 1) != 0) bytes.damaged("entry '" + record.name + "' is encrypted");
  if (method != 0 || compressed != record.size) {
    bytes.damaged("entry '" + record.name + "' is compressed, which torch.save never does");
  }
  record.next = at + 46 + name_bytes + extra_bytes + bytes.u16(at + 32);
  return record;
}

std::span<const std::byte> data_of(const Bytes& bytes, const Record& record) {
  const std::uint64_t at = record.local_offset;
  if (bytes.u32(at) != kLocalSignature)
    bytes.damaged("entry '" + record.name + "' is not where it should be");
  const std::uint64_t begin = at + 30 + bytes.u16(at + 26) + bytes.u16(at + 28);
  const auto data = bytes.range(begin, record.size);
  if (crc32(data) != record.crc) bytes.damaged("entry '" + record.name + "' has a wrong checksum");
  return data;
}

// Tables for eight bytes at a time.
using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables make_crc_tables() {
  CrcTables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0xEDB88320u : 0u);
    tables[0][i] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t i = 0; i < 256; ++i) {
      tables[k][i] = (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 0xff];
    }
  }
  return tables;
}

constexpr CrcTables kCrc = make_crc_tables();

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes) {
  std::uint32_t crc = ~0u;
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) {
    std::uint32_t low, high;
    std::memcpy(&low, p, 4);
    std::memcpy(&high, p + 4, 4);
    low ^= crc;
    crc = kCrc[7][low & 0xff] ^ kCrc[6][(low >> 8) & 0xff] ^ kCrc[5][(low >> 16) & 0xff] ^
          kCrc[4][low >> 24] ^ kCrc[3][high & 0xff] ^ kCrc[2][(high >> 8) & 0xff] ^
          kCrc[1][(high >> 16) & 0xff] ^ kCrc[0][high >> 24];
  }
  for (; left > 0; --left, ++p) crc = (crc >> 8) ^ kCrc[0][(crc ^ *p) & 0xff];
  return ~crc;
}

std::map<std::string, std::span<const std::byte>> read_stored_zip(std::span<const std::byte> file,
                                                                  const std::string& where) {
  const Bytes bytes(file, where);
  const Directory directory = find_directory(bytes);
  std::map<std::string, std::span<const std::byte>> entries;
  std::uint64_t at = directory.offset;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    const Record record = read_record(bytes, at);
    if (!entries.emplace(record.name, data_of(bytes, record)).second) {
      bytes.damaged("two entries named '" + record.name + "'");
    }
    at = record.next;
  }
  return entries;
}

}  // namespace peryton
