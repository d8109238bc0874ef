// SPDX-License-Identifier: Apache-2.0
#include "framework/comm/all_reduce.h"

#include <algorithm>
#include <bit>

#include "framework/comm/combine.h"

namespace peryton {

std::vector<ReduceStep> all_reduce_steps(int rank, int ranks) {
  using Kind = ReduceStep::Kind;
  const int active = static_cast<int>(std::bit_floor(static_cast<unsigned>(ranks)));
  const int folded = ranks - active;
  if (rank < 2 * folded && rank % 2 == 1)
    return {{Kind::kSend, rank - 1}, {Kind::kReceive, rank - 1}};
  std::vector<ReduceStep> steps;
  if (rank < 2 * folded) steps.push_back({Kind::kReceiveAndCombine, rank + 1});
  const int place = rank < 2 * folded ? rank / 2 : rank - folded;
  for (int distance = 1; distance < active; distance *= 2) {
    const int peer = place ^ distance;
    steps.push_back({Kind::kExchangeAndCombine, peer < folded ? 2 * peer : peer + folded});
  }
  if (rank < 2 * folded) steps.push_back({Kind::kSend, rank + 1});
  return steps;
}

namespace {

std::int64_t chunk_elements(CommType type) { return AllReduce::kChunkBytes / size_of(type); }

std::byte* at(CommSpan values, std::int64_t element) {
  return static_cast<std::byte*>(values.data) + element * size_of(values.type);
}

std::span<std::byte> bytes_of(CommSpan values) {
  return {static_cast<std::byte*>(values.data),
          static_cast<std::size_t>(values.count * size_of(values.type))};
}

}  // namespace

std::int64_t AllReduce::chunks(CommSpan values) {
  const std::int64_t most = chunk_elements(values.type);
  return (values.count + most - 1) / most;
}

AllReduce::AllReduce(Transport& transport, CommSpan values, Reduce op, std::vector<int> chunk_tags)
    : transport_(transport),
      values_(values),
      op_(op),
      tags_(std::move(chunk_tags)),
      steps_(all_reduce_steps(transport.rank(), transport.size())) {
  const std::size_t lanes = std::min<std::size_t>(tags_.size(), kWindow);
  lanes_.resize(lanes);
  lane_busy_.assign(lanes, false);
  const std::int64_t lane_bytes =
      std::min(values.count, chunk_elements(values.type)) * size_of(values.type);
  scratch_ = Buffer::allocate(static_cast<std::int64_t>(lanes) * lane_bytes);
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    lanes_[lane].scratch = scratch_->data() + static_cast<std::int64_t>(lane) * lane_bytes;
  }
  advance();
}

bool AllReduce::advance() {
  bool busy = false;
  for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
    while (true) {
      if (!lane_busy_[lane]) {
        if (next_chunk_ == tags_.size()) break;
        open_chunk(static_cast<int>(lane));
      }
      if (!advance_chunk(lanes_[lane])) {
        busy = true;
        break;
      }
      lane_busy_[lane] = false;
    }
  }
  return !busy;
}

void AllReduce::open_chunk(int lane) {
  const std::int64_t most = chunk_elements(values_.type);
  const std::int64_t begin = static_cast<std::int64_t>(next_chunk_) * most;
  Chunk& chunk = lanes_[static_cast<std::size_t>(lane)];
  chunk.values = {at(values_, begin), std::min(most, values_.count - begin), values_.type};
  chunk.tag = tags_[next_chunk_++];
  chunk.step = 0;
  chunk.posted = false;
  lane_busy_[static_cast<std::size_t>(lane)] = true;
}

bool AllReduce::advance_chunk(Chunk& chunk) {
  while (chunk.step < steps_.size()) {
    const ReduceStep& step = steps_[chunk.step];
    if (!chunk.posted) post(chunk, step);
    if (chunk.receive && !chunk.receive->done()) return false;
    chunk.receive.reset();
    // The combination overwrites what is being sent, so it waits for the send too.
    if (chunk.send && !chunk.send->done()) return false;
    chunk.send.reset();
    if (step.kind == ReduceStep::Kind::kReceiveAndCombine ||
        step.kind == ReduceStep::Kind::kExchangeAndCombine) {
      combine(chunk.values, chunk.scratch, op_, transport_.rank() < step.peer);
    }
    ++chunk.step;
    chunk.posted = false;
  }
  return true;
}

void AllReduce::post(Chunk& chunk, const ReduceStep& step) {
  using Kind = ReduceStep::Kind;
  const std::span<std::byte> mine = bytes_of(chunk.values);
  if (step.kind == Kind::kReceive) {
    chunk.receive = transport_.start_receive(mine, step.peer, chunk.tag);
  } else if (step.kind != Kind::kSend) {
    chunk.receive = transport_.start_receive({chunk.scratch, mine.size()}, step.peer, chunk.tag);
  }
  if (step.kind == Kind::kSend || step.kind == Kind::kExchangeAndCombine) {
    chunk.send = transport_.start_send(mine, step.peer, chunk.tag);
  }
  chunk.posted = true;
}

}  // namespace peryton
