// SPDX-License-Identifier: Apache-2.0
#include "framework/train/metrics/tensorboard.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <cmath>

#include "framework/core/error.h"

namespace peryton {

namespace {

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0x82F63B78u : 0u);
    table[byte] = value;
  }
  return table;
}

template <typename Unsigned>
void put_little_endian(std::string& out, Unsigned value) {
  for (size_t i = 0; i < sizeof(Unsigned); ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

// Protocol buffers, by hand: a field is (number << 3 | wire type), then its value.
enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_key(std::string& out, uint64_t field, WireType type) {
  put_varint(out, field << 3 | type);
}

void put_bytes(std::string& out, uint64_t field, std::string_view bytes) {
  put_key(out, field, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

double seconds_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// Event: wall_time = 1 (double), step = 2 (int64); the caller appends what happened.
std::string event_head(int64_t step, double wall_time) {
  std::string event;
  put_key(event, 1, kFixed64);
  put_little_endian(event, std::bit_cast<uint64_t>(wall_time));
  put_key(event, 2, kVarint);
  put_varint(event, static_cast<uint64_t>(step));
  return event;
}

// Summary.value = 1, whose tag = 1 (string) and simple_value = 2 (float).
void put_scalar(std::string& summary, const std::string& tag, double value) {
  std::string scalar;
  put_bytes(scalar, 1, tag);
  put_key(scalar, 2, kFixed32);
  put_little_endian(scalar, std::bit_cast<uint32_t>(static_cast<float>(value)));
  put_bytes(summary, 1, scalar);
}

std::string summary_of(const StepMetrics& metrics) {
  std::string summary;
  put_scalar(summary, "loss", metrics.loss);
  for (const auto& [name, value] : metrics.extra) put_scalar(summary, name, value);
  for (const auto& [group, value] : metrics.learning_rate) {
    put_scalar(summary, "learning_rate/" + group, value);
  }
  for (const auto& [group, value] : metrics.gradient_norm) {
    put_scalar(summary, "gradient_norm/" + group, value);
  }
  put_scalar(summary, "speed/tokens_per_second", metrics.tokens_per_second);
  if (std::isfinite(metrics.model_flop_utilisation)) {
    put_scalar(summary, "speed/model_flop_utilisation", metrics.model_flop_utilisation);
  }
  put_scalar(summary, "memory/peak_bytes", static_cast<double>(metrics.memory_bytes));
  for (size_t segment = 0; segment < metrics.alpha.size(); ++segment) {
    for (size_t k = 0; k < metrics.alpha[segment].size(); ++k) {
      put_scalar(summary, fmt::format("alpha/segment_{}/component_{}", segment, k),
                 metrics.alpha[segment][k]);
    }
  }
  return summary;
}

std::string event_path(const std::string& folder) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = 'x';
  const auto seconds = static_cast<int64_t>(seconds_now());
  return fmt::format("{}/events.out.tfevents.{:010d}.{}.{}", folder, seconds, host.data(),
                     ::getpid());
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = make_crc_table();
  uint32_t value = ~0u;
  for (const char byte : bytes) {
    value = kTable[(value ^ static_cast<unsigned char>(byte)) & 0xff] ^ (value >> 8);
  }
  return ~value;
}

uint32_t masked_crc32c(std::string_view bytes) {
  return std::rotr(crc32c(bytes), 15) + 0xa282ead8u;
}

std::string tfrecord(std::string_view payload) {
  std::string record;
  put_little_endian(record, static_cast<uint64_t>(payload.size()));
  put_little_endian(record, masked_crc32c(std::string(record)));
  record += payload;
  put_little_endian(record, masked_crc32c(payload));
  return record;
}

std::string scalar_event(const StepMetrics& metrics, double wall_time) {
  std::string event = event_head(metrics.step, wall_time);
  put_bytes(event, 5, summary_of(metrics));  // Event.summary
  return event;
}

TensorBoardWriter::TensorBoardWriter(const std::string& folder, int64_t resumed_step)
    : path_(event_path(folder)) {
  file_ = ::open(path_.c_str(), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644);
  if (file_ < 0) fail_system("cannot open the event file", path_, true);
  std::string version = event_head(0, seconds_now());
  put_bytes(version, 3, "brain.Event:2");  // Event.file_version
  append(version);
  std::string start = event_head(resumed_step + 1, seconds_now());
  put_bytes(start, 7, std::string("\x08\x01", 2));  // Event.session_log with status = START
  append(start);
}

TensorBoardWriter::~TensorBoardWriter() { ::close(file_); }

void TensorBoardWriter::append(const std::string& event) {
  const std::string record = tfrecord(event);
  if (::write(file_, record.data(), record.size()) != static_cast<ssize_t>(record.size())) {
    fail_system("cannot write the event file", path_, true);
  }
}

void TensorBoardWriter::write(const StepMetrics& metrics) {
  append(scalar_event(metrics, seconds_now()));
}

void TensorBoardWriter::flush() {
  if (::fsync(file_) != 0) fail_system("cannot flush the event file", path_, true);
}

}  // namespace peryton
