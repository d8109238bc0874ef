// Ranks as MPI processes. Only the thread that initialised MPI calls it (MPI_THREAD_FUNNELED).
// SPDX-License-Identifier: Apache-2.0
#include <mpi.h>

#include <cstdio>
#include <exception>
#include <string>

#include "framework/comm/host_communicator.h"
#include "framework/comm/world.h"

namespace peryton {
namespace {

void check_mpi(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  fail_system(
      fmt::format("{} failed: {}", what, std::string(text, static_cast<std::size_t>(length))));
}

class MpiRequest final : public Transport::Request {
 public:
  // `expected`: bytes of a receive, or -1 for a send.
  explicit MpiRequest(std::int64_t expected) : expected_(expected) {}
  MPI_Request* handle() { return &request_; }

  bool done() override {
    if (done_) return true;
    int flag = 0;
    MPI_Status status;
    check_mpi(MPI_Test(&request_, &flag, &status), "an exchange between ranks");
    if (!flag) return false;
    done_ = true;
    if (expected_ < 0) return true;
    int bytes = 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    if (bytes != expected_) {
      fail_system(fmt::format(
          "expected {} bytes from rank {}, which sent {}: the ranks disagree about the order "
          "or the size of what they exchange",
          expected_, status.MPI_SOURCE, bytes));
    }
    return true;
  }

 private:
  MPI_Request request_ = MPI_REQUEST_NULL;
  std::int64_t expected_;
  bool done_ = false;
};

class MpiTransport final : public Transport {
 public:
  // Owns `group` unless it is the world's.
  MpiTransport(MPI_Comm group, bool owned) : group_(group), owned_(owned) {
    MPI_Comm_set_errhandler(group_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(group_, &rank_);
    MPI_Comm_size(group_, &size_);
  }
  ~MpiTransport() override {
    if (!owned_ || std::uncaught_exceptions() > 0) return;  // freeing waits for the other ranks
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (!finalized) MPI_Comm_free(&group_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  RequestPtr start_send(std::span<const std::byte> bytes, int to, int tag) override {
    auto request = std::make_unique<MpiRequest>(-1);
    check_mpi(MPI_Isend(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, to, tag, group_,
                        request->handle()),
              "a send to another rank");
    return request;
  }
  RequestPtr start_receive(std::span<std::byte> bytes, int from, int tag) override {
    auto request = std::make_unique<MpiRequest>(static_cast<std::int64_t>(bytes.size()));
    check_mpi(MPI_Irecv(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, from, tag, group_,
                        request->handle()),
              "a receive from another rank");
    return request;
  }
  std::unique_ptr<Transport> split(int color, int key, std::span<const int>, int) override {
    MPI_Comm part = MPI_COMM_NULL;
    check_mpi(MPI_Comm_split(group_, color, key, &part), "splitting the ranks");
    return std::make_unique<MpiTransport>(part, true);
  }
  [[noreturn]] void abort(const std::string& reason, int exit_code) override {
    std::fprintf(stderr, "peryton: rank %d: %s\n", rank_, reason.c_str());
    std::fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::terminate();  // MPI_Abort does not return
  }

 private:
  MPI_Comm group_;
  bool owned_;
  int rank_ = 0, size_ = 1;
};

}  // namespace

int run_in_mpi_world(const std::function<int(Communicator&)>& body) {
  int provided = 0;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "starting MPI");
  int result = 0;
  {
    // Not inside `try`: an exception must reach abort while the communicators below are still
    // whole.
    HostCommunicator world(std::make_unique<MpiTransport>(MPI_COMM_WORLD, false));
    try {
      PERYTON_CHECK(provided >= MPI_THREAD_FUNNELED, "MPI offers thread level {}", provided);
      result = body(world);
    } catch (const Error& error) {
      world.abort(error.what(), error.exit_code());
    } catch (const std::exception& error) {
      world.abort(error.what(), 1);
    }
  }
  check_mpi(MPI_Finalize(), "ending MPI");
  return result;
}

}  // namespace peryton
