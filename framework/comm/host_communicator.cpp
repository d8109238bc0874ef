// SPDX-License-Identifier: Apache-2.0
#include "framework/comm/host_communicator.h"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstring>
#include <exception>
#include <thread>
#include <utility>

#include "framework/comm/combine.h"

namespace peryton {
namespace {

constexpr int kUserTags = 1 << 14;        // [0, 2^14) for send() and receive()
constexpr int kCollectiveTags = 1 << 14;  // the next 2^14: every MPI offers 2^15 tags

CommSpan part(CommSpan values, std::int64_t begin, std::int64_t count) {
  return {static_cast<std::byte*>(values.data) + begin * size_of(values.type), count, values.type};
}

void copy(CommSpan from, CommSpan to) {
  if (from.data == to.data || from.count == 0) return;
  std::memmove(to.data, from.data, static_cast<std::size_t>(from.count * size_of(from.type)));
}

// Keeps what the state machine needs alive, also when its communicator goes first.
class AllReduceState final : public Pending::State {
 public:
  AllReduceState(std::shared_ptr<Transport> transport, std::shared_ptr<ProgressEngine> engine,
                 CommSpan values, Reduce op, std::vector<int> tags)
      : transport_(std::move(transport)),
        engine_(engine),
        machine_(*transport_, values, op, std::move(tags)) {}

  bool advance() override {
    if (!done_) done_ = machine_.advance();
    return done_;
  }
  void wait() override {
    if (const auto engine = engine_.lock()) {
      engine->wait_until([this] { return advance(); });
    } else {
      PERYTON_CHECK(advance(), "waited for a collective whose communicator is gone");
    }
  }

 private:
  std::shared_ptr<Transport> transport_;
  std::weak_ptr<ProgressEngine> engine_;  // the engine owns this object
  AllReduce machine_;
  bool done_ = false;
};

// Ranks may share a core, so a rank that waits first spins, then yields, then sleeps.
class Backoff {
 public:
  void pause() {
    ++pauses_;
    if (pauses_ < 64) return;
    if (pauses_ < 20000) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }

 private:
  int pauses_ = 0;
};

}  // namespace

void ProgressEngine::progress() {
  // Not erase_if: an operation that throws must leave the list whole.
  for (std::size_t i = 0; i < active_.size();) {
    if (active_[i]->advance()) {
      active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
}

void ProgressEngine::wait_until(const std::function<bool()>& done) {
  Backoff backoff;
  while (!done()) {
    progress();
    backoff.pause();
  }
}

HostCommunicator::HostCommunicator(std::unique_ptr<Transport> transport,
                                   std::shared_ptr<ProgressEngine> engine)
    : transport_(std::move(transport)), engine_(std::move(engine)) {}

int HostCommunicator::next_tag() {
  return kUserTags + static_cast<int>(collectives_++ % kCollectiveTags);
}

void HostCommunicator::check_peer(int peer) const {
  PERYTON_CHECK(peer >= 0 && peer < size() && peer != rank(), "rank {} of {} speaks to rank {}",
                rank(), size(), peer);
}

void HostCommunicator::post_send(CommSpan values, int to, int tag) {
  const std::int64_t most = AllReduce::kChunkBytes / size_of(values.type);
  for (std::int64_t begin = 0; begin < values.count; begin += most) {
    const CommSpan piece = part(values, begin, std::min(most, values.count - begin));
    const auto* data = static_cast<const std::byte*>(piece.data);
    const auto bytes = static_cast<std::size_t>(piece.count * size_of(piece.type));
    posted_.push_back(transport_->start_send({data, bytes}, to, tag));
  }
}

void HostCommunicator::post_receive(CommSpan values, int from, int tag) {
  const std::int64_t most = AllReduce::kChunkBytes / size_of(values.type);
  for (std::int64_t begin = 0; begin < values.count; begin += most) {
    const CommSpan piece = part(values, begin, std::min(most, values.count - begin));
    auto* data = static_cast<std::byte*>(piece.data);
    const auto bytes = static_cast<std::size_t>(piece.count * size_of(piece.type));
    posted_.push_back(transport_->start_receive({data, bytes}, from, tag));
  }
}

void HostCommunicator::wait_posted() {
  const std::vector<Transport::RequestPtr> waiting = std::exchange(posted_, {});
  std::size_t first = 0;
  engine_->wait_until([&] {
    while (first < waiting.size() && waiting[first]->done()) ++first;
    return first == waiting.size();
  });
}

void HostCommunicator::do_send(CommSpan values, int to, int tag) {
  check_peer(to);
  PERYTON_CHECK(tag >= 0 && tag < kUserTags, "tag {}", tag);
  post_send(values, to, tag);
  wait_posted();
}

void HostCommunicator::do_receive(CommSpan values, int from, int tag) {
  check_peer(from);
  PERYTON_CHECK(tag >= 0 && tag < kUserTags, "tag {}", tag);
  post_receive(values, from, tag);
  wait_posted();
}

Pending HostCommunicator::do_start_all_reduce(CommSpan values, Reduce op) {
  if (size() == 1 || values.count == 0) return Pending();
  std::vector<int> tags(static_cast<std::size_t>(AllReduce::chunks(values)));
  for (int& tag : tags) tag = next_tag();
  const auto state =
      std::make_shared<AllReduceState>(transport_, engine_, values, op, std::move(tags));
  engine_->add(state);
  return Pending(state);
}

void HostCommunicator::do_all_gather(CommSpan mine, CommSpan all) {
  PERYTON_CHECK(all.type == mine.type && all.count == mine.count * size(),
                "all_gather of {} {} into {} {} on {} ranks", mine.count, name_of(mine.type),
                all.count, name_of(all.type), size());
  const int tag = next_tag();
  for (int away = 1; away < size(); ++away) {
    const int to = (rank() + away) % size(), from = (rank() - away + size()) % size();
    post_receive(part(all, from * mine.count, mine.count), from, tag);
    post_send(mine, to, tag);
  }
  copy(mine, part(all, rank() * mine.count, mine.count));
  wait_posted();
}

// Recursive halving with growing distance: the same tree as the all-reduce, each rank computing
// only the parts that it still needs. Other numbers of ranks reduce everything and keep their part.
void HostCommunicator::do_reduce_scatter(CommSpan all, CommSpan mine) {
  PERYTON_CHECK(all.type == mine.type && all.count == mine.count * size(),
                "reduce_scatter of {} {} into {} {} on {} ranks", all.count, name_of(all.type),
                mine.count, name_of(mine.type), size());
  const std::int64_t bytes = all.count * size_of(all.type);
  const auto work_memory = Buffer::allocate(bytes), scratch_memory = Buffer::allocate(bytes);
  const CommSpan work{work_memory->data(), all.count, all.type};
  const CommSpan scratch{scratch_memory->data(), all.count, all.type};
  copy(all, work);
  const auto ranks = static_cast<unsigned>(size());
  if (!std::has_single_bit(ranks)) do_start_all_reduce(work, Reduce::kSum).wait();
  for (int distance = 1; std::has_single_bit(ranks) && distance < size(); distance *= 2) {
    const int peer = rank() ^ distance, tag = next_tag(), mask = 2 * distance - 1;
    for (int owner = 0; owner < size(); ++owner) {
      const std::int64_t begin = owner * mine.count;
      if (((owner ^ peer) & mask) == 0) post_send(part(work, begin, mine.count), peer, tag);
      if (((owner ^ rank()) & mask) == 0) post_receive(part(scratch, begin, mine.count), peer, tag);
    }
    wait_posted();
    for (int owner = 0; owner < size(); ++owner) {
      if (((owner ^ rank()) & mask) != 0) continue;
      const std::int64_t begin = owner * mine.count;
      combine(part(work, begin, mine.count), part(scratch, begin, mine.count).data, Reduce::kSum,
              rank() < peer);
    }
  }
  copy(part(work, rank() * mine.count, mine.count), mine);
}

// Binomial tree: in each round the ranks that have the values pass them on at half the distance.
void HostCommunicator::do_broadcast(CommSpan values, int root) {
  PERYTON_CHECK(root >= 0 && root < size(), "broadcast from rank {} of {}", root, size());
  const int tag = next_tag(), place = (rank() - root + size()) % size();
  const int rounds = static_cast<int>(std::bit_ceil(static_cast<unsigned>(size())));
  for (int distance = rounds / 2; distance >= 1; distance /= 2) {
    const bool has = place % (2 * distance) == 0;
    const bool gets = place % (2 * distance) == distance;
    if (has && place + distance < size()) {
      post_send(values, (place + distance + root) % size(), tag);
    } else if (gets) {
      post_receive(values, (place - distance + root) % size(), tag);
    }
    wait_posted();
  }
}

void HostCommunicator::barrier() {
  std::int64_t nothing = 0;
  do_start_all_reduce(CommSpan::of(std::span<std::int64_t>(&nothing, 1)), Reduce::kSum).wait();
}

std::unique_ptr<Communicator> HostCommunicator::split(int color, int key) {
  const std::array<std::int64_t, 2> mine{color, key};
  std::vector<std::int64_t> all(static_cast<std::size_t>(2 * size()));
  all_gather(std::span<const std::int64_t>(mine), std::span<std::int64_t>(all));
  std::vector<int> members;
  for (int other = 0; other < size(); ++other) {
    if (all[static_cast<std::size_t>(2 * other)] == color) members.push_back(other);
  }
  std::ranges::stable_sort(members, {},
                           [&](int other) { return all[static_cast<std::size_t>(2 * other + 1)]; });
  return std::make_unique<HostCommunicator>(transport_->split(color, key, members, splits_++),
                                            engine_);
}

void HostCommunicator::abort(const std::string& reason, int exit_code) {
  transport_->abort(reason, exit_code);
  std::terminate();  // for the compiler, which forgets [[noreturn]] in virtual calls
}

namespace {

class SelfTransport final : public Transport {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  RequestPtr start_send(std::span<const std::byte>, int to, int) override { return nobody(to); }
  RequestPtr start_receive(std::span<std::byte>, int from, int) override { return nobody(from); }
  std::unique_ptr<Transport> split(int, int, std::span<const int>, int) override {
    return std::make_unique<SelfTransport>();
  }
  [[noreturn]] void abort(const std::string& reason, int) override {
    throw Error(ErrorKind::kSystem, reason);
  }

 private:
  static RequestPtr nobody(int peer) {
    PERYTON_CHECK(false, "the only rank speaks to rank {}", peer);
    return nullptr;
  }
};

}  // namespace

std::unique_ptr<Communicator> self_communicator() {
  return std::make_unique<HostCommunicator>(std::make_unique<SelfTransport>());
}

}  // namespace peryton
