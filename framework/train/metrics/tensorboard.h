// TensorBoard event files: TFRecord frames around the two protobuf messages that scalars need.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "framework/train/metrics/metrics.h"

namespace peryton {

// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78) of the bytes.
uint32_t crc32c(std::string_view bytes);
// The TFRecord mask: rotate right by 15 bits and add 0xa282ead8.
uint32_t masked_crc32c(std::string_view bytes);
// length (u64) | masked crc of the length | payload | masked crc of the payload, all little endian.
std::string tfrecord(std::string_view payload);

// The serialised Event of a step, with every figure of `metrics` as a scalar. wall_time is in
// seconds.
std::string scalar_event(const StepMetrics& metrics, double wall_time);

// Writes events.out.tfevents.<seconds>.<host>.<process> into `folder`. A resumed run starts a new
// file with a session start at resumed_step + 1, from which TensorBoard drops the steps of older
// files.
class TensorBoardWriter : public MetricsWriter {
 public:
  TensorBoardWriter(const std::string& folder, int64_t resumed_step);
  ~TensorBoardWriter() override;
  TensorBoardWriter(const TensorBoardWriter&) = delete;
  TensorBoardWriter& operator=(const TensorBoardWriter&) = delete;

  void write(const StepMetrics& metrics) override;
  void flush() override;

 private:
  void append(const std::string& event);

  std::string path_;
  int file_;
};

}  // namespace peryton
