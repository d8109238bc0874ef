// Ranks that exchange typed data. Never byte counts: spans of elements or contiguous tensors.
//
// Order of reduction is fixed by rank numbers alone (fixed_tree in collectives.h), so a sum has the
// same bits on every rank, on every run and with every backend. Collectives of one communicator
// must be called in the same order with the same sizes on all of its ranks. A communicator belongs
// to one thread.
//
// Errors: a peer that failed or a transport that broke is an Error of kind kSystem, on every rank
// that waits.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include "framework/core/tensor.h"

namespace peryton {

enum class CommType : std::uint8_t { kFloat32, kFloat64, kBFloat16, kInt32, kInt64, kUInt8 };
enum class Reduce : std::uint8_t { kSum, kMax };

std::int64_t size_of(CommType type);
std::string_view name_of(CommType type);
CommType comm_type_of(DType dtype);

template <class T>
constexpr CommType comm_type() {
  using U = std::remove_cv_t<T>;
  if constexpr (std::is_same_v<U, float>)
    return CommType::kFloat32;
  else if constexpr (std::is_same_v<U, double>)
    return CommType::kFloat64;
  else if constexpr (std::is_same_v<U, BFloat16>)
    return CommType::kBFloat16;
  else if constexpr (std::is_same_v<U, std::int32_t>)
    return CommType::kInt32;
  else if constexpr (std::is_same_v<U, std::int64_t>)
    return CommType::kInt64;
  else {
    static_assert(std::is_same_v<U, std::uint8_t>, "not a type that ranks can exchange");
    return CommType::kUInt8;
  }
}

// A typed piece of contiguous memory; made from a span or a tensor, not by hand.
struct CommSpan {
  void* data = nullptr;
  std::int64_t count = 0;
  CommType type = CommType::kFloat32;

  template <class T>
  static CommSpan of(std::span<T> values) {
    return {const_cast<std::remove_cv_t<T>*>(values.data()),
            static_cast<std::int64_t>(values.size()), comm_type<T>()};
  }
  static CommSpan of(const Tensor& tensor);  // must be contiguous
};

// An asynchronous collective. It advances in test(), wait() and in its communicator's progress().
// Its memory must stay untouched and alive until it is done. Destroying an unfinished handle does
// not cancel it: the communicator finishes it.
class Pending {
 public:
  class State {
   public:
    virtual ~State() = default;
    virtual bool advance() = 0;  // true when done; throws when a peer failed
    virtual void wait() = 0;
  };
  Pending() = default;  // done
  explicit Pending(std::shared_ptr<State> state) : state_(std::move(state)) {}
  bool test() { return !state_ || state_->advance(); }
  void wait() {
    if (state_) state_->wait();
  }

 private:
  std::shared_ptr<State> state_;
};

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Point to point. `tag` in [0, 2^14) tells several conversations of one pair apart.
  // send() may return before the message has arrived, but its memory may be reused.
  template <class T>
  void send(std::span<const T> values, int to, int tag = 0) {
    do_send(CommSpan::of(values), to, tag);
  }
  template <class T>
  void receive(std::span<T> values, int from, int tag = 0) {
    do_receive(CommSpan::of(values), from, tag);
  }
  void send(const Tensor& tensor, int to, int tag = 0) { do_send(CommSpan::of(tensor), to, tag); }
  void receive(const Tensor& tensor, int from, int tag = 0) {
    do_receive(CommSpan::of(tensor), from, tag);
  }

  // In place; same count on all ranks. Sum and max of float32, float64, int32, int64.
  template <class T>
  void all_reduce(std::span<T> values, Reduce op = Reduce::kSum) {
    do_start_all_reduce(CommSpan::of(values), op).wait();
  }
  void all_reduce(const Tensor& tensor, Reduce op = Reduce::kSum) {
    do_start_all_reduce(CommSpan::of(tensor), op).wait();
  }
  Pending start_all_reduce(const Tensor& tensor, Reduce op = Reduce::kSum) {
    return do_start_all_reduce(CommSpan::of(tensor), op);
  }
  double sum(double value) { return reduce_one(value, Reduce::kSum); }
  double max(double value) { return reduce_one(value, Reduce::kMax); }
  std::int64_t sum(std::int64_t value) { return reduce_one(value, Reduce::kSum); }
  std::int64_t max(std::int64_t value) { return reduce_one(value, Reduce::kMax); }

  // all = the ranks' `mine`, one after the other; all.size() == size() * mine.size(). `mine` may be
  // this rank's own part of `all`.
  template <class T>
  void all_gather(std::span<const T> mine, std::span<T> all) {
    do_all_gather(CommSpan::of(mine), CommSpan::of(all));
  }
  void all_gather(const Tensor& mine, const Tensor& all) {
    do_all_gather(CommSpan::of(mine), CommSpan::of(all));
  }
  // mine = part rank() of the sum over ranks of `all`; the same bits as all_reduce gives.
  template <class T>
  void reduce_scatter(std::span<const T> all, std::span<T> mine) {
    do_reduce_scatter(CommSpan::of(all), CommSpan::of(mine));
  }
  void reduce_scatter(const Tensor& all, const Tensor& mine) {
    do_reduce_scatter(CommSpan::of(all), CommSpan::of(mine));
  }
  template <class T>
  void broadcast(std::span<T> values, int root = 0) {
    do_broadcast(CommSpan::of(values), root);
  }
  void broadcast(const Tensor& tensor, int root = 0) { do_broadcast(CommSpan::of(tensor), root); }
  virtual void barrier() = 0;

  // Collective. Ranks of equal color form a communicator, ordered by (key, rank). It must not
  // outlive the world.
  virtual std::unique_ptr<Communicator> split(int color, int key) = 0;
  // Advances what was started asynchronously; cheap when there is nothing. Call it between ops.
  virtual void progress() = 0;
  // Ends every rank of the world, with this exit code where ranks are processes. Does not return.
  [[noreturn]] virtual void abort(const std::string& reason, int exit_code = 1) = 0;

 protected:
  virtual void do_send(CommSpan values, int to, int tag) = 0;
  virtual void do_receive(CommSpan values, int from, int tag) = 0;
  virtual Pending do_start_all_reduce(CommSpan values, Reduce op) = 0;
  virtual void do_all_gather(CommSpan mine, CommSpan all) = 0;
  virtual void do_reduce_scatter(CommSpan all, CommSpan mine) = 0;
  virtual void do_broadcast(CommSpan values, int root) = 0;

 private:
  template <class T>
  T reduce_one(T value, Reduce op) {
    all_reduce(std::span<T>(&value, 1), op);
    return value;
  }
};

// The world of one rank: every collective is the identity.
std::unique_ptr<Communicator> self_communicator();

}  // namespace peryton
