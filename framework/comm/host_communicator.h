// The communicator for host memory: our collectives over a Transport.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "framework/comm/all_reduce.h"
#include "framework/comm/communicator.h"
#include "framework/comm/transport.h"

namespace peryton {

// Asynchronous operations under way on a communicator and on all that were split from it. Every
// wait advances all of them: a rank that waits for one thing may be what another rank's earlier
// operation waits for.
class ProgressEngine {
 public:
  void add(std::shared_ptr<Pending::State> operation) { active_.push_back(std::move(operation)); }
  void progress();
  void wait_until(const std::function<bool()>& done);

 private:
  std::vector<std::shared_ptr<Pending::State>> active_;
};

class HostCommunicator final : public Communicator {
 public:
  explicit HostCommunicator(
      std::unique_ptr<Transport> transport,
      std::shared_ptr<ProgressEngine> engine = std::make_shared<ProgressEngine>());

  int rank() const override { return transport_->rank(); }
  int size() const override { return transport_->size(); }
  void barrier() override;
  std::unique_ptr<Communicator> split(int color, int key) override;
  void progress() override { engine_->progress(); }
  [[noreturn]] void abort(const std::string& reason, int exit_code) override;

 protected:
  void do_send(CommSpan values, int to, int tag) override;
  void do_receive(CommSpan values, int from, int tag) override;
  Pending do_start_all_reduce(CommSpan values, Reduce op) override;
  void do_all_gather(CommSpan mine, CommSpan all) override;
  void do_reduce_scatter(CommSpan all, CommSpan mine) override;
  void do_broadcast(CommSpan values, int root) override;

 private:
  int next_tag();
  void check_peer(int peer) const;
  void post_send(CommSpan values, int to, int tag);
  void post_receive(CommSpan values, int from, int tag);
  void wait_posted();

  std::shared_ptr<Transport> transport_;
  std::shared_ptr<ProgressEngine> engine_;
  std::vector<Transport::RequestPtr> posted_;
  std::uint32_t collectives_ = 0;
  int splits_ = 0;
};

}  // namespace peryton
