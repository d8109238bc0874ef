// SPDX-License-Identifier: Apache-2.0
#include "launch/executors/process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <vector>

#include "framework/core/error.h"

namespace peryton {
namespace {

constexpr int kCannotStart = 127;

// Everything that allocates happens before fork.
struct Prepared {
  std::vector<std::string> environment;
  std::vector<char*> arguments, environment_pointers;

  explicit Prepared(const CommandLine& command) {
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string text = *entry;
      if (!overridden(command, text)) environment.push_back(text);
    }
    for (const auto& [name, value] : command.environment) environment.push_back(name + "=" + value);
    for (std::string& entry : environment) environment_pointers.push_back(entry.data());
    environment_pointers.push_back(nullptr);
    for (const std::string& argument : command.arguments) {
      arguments.push_back(const_cast<char*>(argument.c_str()));  // execvp does not write
    }
    arguments.push_back(nullptr);
  }

  static bool overridden(const CommandLine& command, const std::string& entry) {
    for (const auto& [name, value] : command.environment) {
      if (entry.rfind(name + "=", 0) == 0) return true;
    }
    return false;
  }
};

[[noreturn]] void become(const Prepared& prepared, const sigset_t& mask, int launcher,
                         int error_pipe) {
  setpgid(0, 0);
  die_with_parent(launcher);
  const int nothing = open("/dev/null", O_RDONLY);
  if (nothing >= 0) dup2(nothing, STDIN_FILENO);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  execvpe(prepared.arguments[0], prepared.arguments.data(), prepared.environment_pointers.data());
  const int error = errno;
  [[maybe_unused]] const auto written = write(error_pipe, &error, sizeof error);
  _exit(kCannotStart);
}

// Hands one signal on; `child` leads its process group.
void hand_on(int number, pid_t child, SignalGate& signals) {
  if (number == SIGCHLD) return;
  constexpr int kPatience = 2;
  if (signals.stop_requests() > kPatience) {
    kill(-child, SIGKILL);
  } else {
    kill(child, SIGUSR1);
  }
}

int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

void die_with_parent(int launcher) {
  const pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // It may have died before the request was in place; its children then belong to somebody else.
  const bool orphan = getppid() != (launcher != 0 ? launcher : parent);
  if (orphan) _exit(1);
}

int run_process(const CommandLine& command, SignalGate& signals) {
  PERYTON_CHECK(!command.arguments.empty());
  const Prepared prepared(command);
  int error_pipe[2];
  if (pipe2(error_pipe, O_CLOEXEC) != 0) fail_system("cannot make a pipe", "", true);
  const pid_t launcher = getpid();
  const pid_t child = fork();
  if (child < 0) fail_system("cannot start a process", command.arguments[0], true);
  if (child == 0) become(prepared, signals.old_mask(), launcher, error_pipe[1]);
  setpgid(child, child);  // both sides, so that it has happened whoever is first
  close(error_pipe[1]);
  int error = 0;
  const bool failed =
      read(error_pipe[0], &error, sizeof error) == static_cast<ssize_t>(sizeof error);
  close(error_pipe[0]);
  int status = 0;
  // The wait is bounded because SIGCHLD of an earlier child can swallow the one for this child.
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (const auto number = signals.take(0.2)) hand_on(*number, child, signals);
  }
  kill(-child, SIGKILL);  // whatever it left behind in its group
  if (failed) {
    errno = error;
    fail_system("cannot start '" + command.arguments[0] + "'", "", true);
  }
  return exit_code_of(status);
}

}  // namespace peryton
