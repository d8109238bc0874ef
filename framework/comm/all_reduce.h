// The all-reduce as a state machine over point-to-point messages: recursive doubling along a fixed
// tree.
//
// With n ranks, p the largest power of two <= n and r = n - p: ranks 2i and 2i + 1 below 2r first
// fold into one value x_i = x_{2i} + x_{2i+1}, which leaves p values in rank order; then neighbours
// at distance 1, 2, 4, ... of those p exchange and add, lower + higher. Every rank computes ((v0 +
// v1) + (v2 + v3)) + ... itself, from the same operands in the same order. Ranks that folded away
// receive the result.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "framework/comm/communicator.h"
#include "framework/comm/transport.h"

namespace peryton {

// One exchange of a rank with one peer.
struct ReduceStep {
  enum class Kind { kSend, kReceive, kReceiveAndCombine, kExchangeAndCombine };
  Kind kind;
  int peer;
};

// What `rank` of `ranks` does, in order.
std::vector<ReduceStep> all_reduce_steps(int rank, int ranks);

class AllReduce {
 public:
  static constexpr std::int64_t kChunkBytes = std::int64_t{1} << 20;
  static constexpr int kWindow = 4;  // chunks in flight

  static std::int64_t chunks(CommSpan values);

  // Chunk c uses tag `first_tag` + c, wrapped by `tag_of`. Starts its first messages.
  AllReduce(Transport& transport, CommSpan values, Reduce op, std::vector<int> chunk_tags);
  bool advance();  // true when done

 private:
  struct Chunk {
    CommSpan values;
    int tag = 0;
    std::byte* scratch = nullptr;
    std::size_t step = 0;
    bool posted = false;
    Transport::RequestPtr send, receive;
  };
  void open_chunk(int lane);
  bool advance_chunk(Chunk& chunk);  // true when the chunk is done
  void post(Chunk& chunk, const ReduceStep& step);

  Transport& transport_;
  CommSpan values_;
  Reduce op_;
  std::vector<int> tags_;
  std::vector<ReduceStep> steps_;
  std::size_t next_chunk_ = 0;
  std::vector<Chunk> lanes_;
  std::vector<bool> lane_busy_;
  std::shared_ptr<Buffer> scratch_;
};

}  // namespace peryton
