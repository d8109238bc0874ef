// Ranks as threads of one process: messages are copies in mailboxes. For tests.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>
#include <vector>

#include "framework/comm/host_communicator.h"
#include "framework/comm/world.h"

namespace peryton {
namespace {

using Bytes = std::vector<std::byte>;

class ThreadWorld {
 public:
  struct Address {  // ranks of the world
    int group, from, to, tag;
    auto operator<=>(const Address&) const = default;
  };

  explicit ThreadWorld(int ranks) : finished_(static_cast<std::size_t>(ranks), false) {}

  void post(const Address& address, std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    check_failure();
    Box& box = boxes_[address];
    box.messages[box.sent++] = Bytes(bytes.begin(), bytes.end());
  }

  // Receives match messages in the order in which both were started.
  std::int64_t ticket(const Address& address) {
    const std::lock_guard lock(mutex_);
    return boxes_[address].awaited++;
  }

  bool take(const Address& address, std::int64_t ticket, std::span<std::byte> into) {
    const std::lock_guard lock(mutex_);
    check_failure();
    Box& box = boxes_[address];
    const auto found = box.messages.find(ticket);
    if (found == box.messages.end()) {
      if (finished_[static_cast<std::size_t>(address.from)]) {
        fail_system(
            fmt::format("rank {} waits for rank {}, which has ended", address.to, address.from));
      }
      return false;
    }
    if (found->second.size() != into.size()) {
      fail_system(fmt::format(
          "rank {} expects {} bytes from rank {}, which sent {}: the ranks disagree about "
          "the order or the size of what they exchange",
          address.to, into.size(), address.from, found->second.size()));
    }
    if (!into.empty()) std::memcpy(into.data(), found->second.data(), into.size());
    box.messages.erase(found);
    return true;
  }

  int group(int parent, int number, int color) {
    const std::lock_guard lock(mutex_);
    const auto [found, added] = groups_.try_emplace({parent, number, color}, next_group_);
    if (added) ++next_group_;
    return found->second;
  }

  void fail(int rank, std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (failure_) return;
    failure_ = std::move(failure);
    failed_rank_ = rank;
  }
  void finish(int rank) {
    const std::lock_guard lock(mutex_);
    finished_[static_cast<std::size_t>(rank)] = true;
  }
  std::exception_ptr failure() const { return failure_; }

 private:
  struct Box {
    std::int64_t sent = 0, awaited = 0;
    std::map<std::int64_t, Bytes> messages;
  };

  void check_failure() const {
    if (failure_) fail_system(fmt::format("rank {} failed", failed_rank_));
  }

  std::mutex mutex_;
  std::map<Address, Box> boxes_;
  std::map<std::tuple<int, int, int>, int> groups_;
  int next_group_ = 1;
  std::vector<bool> finished_;
  std::exception_ptr failure_;
  int failed_rank_ = -1;
};

class ThreadTransport final : public Transport {
 public:
  ThreadTransport(ThreadWorld& world, int group, std::vector<int> members, int rank)
      : world_(world), group_(group), members_(std::move(members)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(members_.size()); }

  RequestPtr start_send(std::span<const std::byte> bytes, int to, int tag) override {
    world_.post({group_, world_rank(rank_), world_rank(to), tag}, bytes);
    return std::make_unique<Sent>();
  }
  RequestPtr start_receive(std::span<std::byte> bytes, int from, int tag) override {
    const ThreadWorld::Address address{group_, world_rank(from), world_rank(rank_), tag};
    return std::make_unique<Receive>(world_, address, bytes);
  }
  std::unique_ptr<Transport> split(int color, int, std::span<const int> members,
                                   int number) override {
    std::vector<int> world_ranks;
    int place = -1;
    for (const int member : members) {
      if (member == rank_) place = static_cast<int>(world_ranks.size());
      world_ranks.push_back(world_rank(member));
    }
    return std::make_unique<ThreadTransport>(world_, world_.group(group_, number, color),
                                             std::move(world_ranks), place);
  }
  [[noreturn]] void abort(const std::string& reason, int) override {
    throw Error(ErrorKind::kSystem, reason);  // run_ranks stops the others
  }

 private:
  struct Sent final : Request {
    bool done() override { return true; }
  };
  class Receive final : public Request {
   public:
    Receive(ThreadWorld& world, const ThreadWorld::Address& address, std::span<std::byte> into)
        : world_(world), address_(address), into_(into), ticket_(world.ticket(address)) {}
    bool done() override { return done_ = done_ || world_.take(address_, ticket_, into_); }

   private:
    ThreadWorld& world_;
    ThreadWorld::Address address_;
    std::span<std::byte> into_;
    std::int64_t ticket_;
    bool done_ = false;
  };

  int world_rank(int rank) const { return members_[static_cast<std::size_t>(rank)]; }

  ThreadWorld& world_;
  int group_;
  std::vector<int> members_;
  int rank_;
};

}  // namespace

void run_ranks(int ranks, const std::function<void(Communicator&)>& body) {
  PERYTON_CHECK(ranks >= 1);
  ThreadWorld world(ranks);
  std::vector<int> members;
  for (int rank = 0; rank < ranks; ++rank) members.push_back(rank);
  const auto run = [&](int rank) {
    try {
      HostCommunicator communicator(std::make_unique<ThreadTransport>(world, 0, members, rank));
      body(communicator);
    } catch (...) {
      world.fail(rank, std::current_exception());
    }
    world.finish(rank);
  };
  std::vector<std::thread> threads;
  for (int rank = 1; rank < ranks; ++rank) threads.emplace_back(run, rank);
  run(0);
  for (std::thread& thread : threads) thread.join();
  if (world.failure()) std::rethrow_exception(world.failure());
}

}  // namespace peryton
