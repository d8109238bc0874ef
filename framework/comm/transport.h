// What a backend for host memory has to offer: point-to-point messages. The collectives are ours
// (host_communicator.h), so their order of reduction is the same over every backend.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace peryton {

class Transport {
 public:
  // A message under way. done() makes progress and never blocks; it throws Error (kSystem) when the
  // peer or the transport failed or the message has another size than expected. Its memory must
  // live until then.
  class Request {
   public:
    virtual ~Request() = default;
    virtual bool done() = 0;
  };
  using RequestPtr = std::unique_ptr<Request>;

  virtual ~Transport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Messages of one (sender, receiver, tag) match in the order in which they were started. Tags are
  // in [0, 2^15); at most 2^30 bytes each.
  virtual RequestPtr start_send(std::span<const std::byte> bytes, int to, int tag) = 0;
  virtual RequestPtr start_receive(std::span<std::byte> bytes, int from, int tag) = 0;
  // `members`: the ranks of this transport that chose the same color, in their new order; `number`
  // counts the splits of this transport. Collective.
  virtual std::unique_ptr<Transport> split(int color, int key, std::span<const int> members,
                                           int number) = 0;
  [[noreturn]] virtual void abort(const std::string& reason, int exit_code) = 0;
};

}  // namespace peryton
