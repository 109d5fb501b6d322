// SPDX-License-Identifier: MIT
// The operation is single-stepped once, to learn its instructions. Each later child runs at full speed to a breakpoint
// on the instruction before which it is to die; should it take another way this time, it is killed when it completes.
#include "support/sweep.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cstdint>
#include <new>
#include <unordered_map>
#include <vector>

namespace polyproc::testing {
namespace {

// Shared with the stepped child: how far it is.
struct Progress {
  std::atomic<bool> completed{false};
  std::atomic<bool> threw{false};
};

class SharedProgress {
 public:
  SharedProgress()
      : page_(::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
  SharedProgress(const SharedProgress&) = delete;
  SharedProgress& operator=(const SharedProgress&) = delete;
  ~SharedProgress() { ::munmap(page_, sizeof(Progress)); }
  Progress& reset() { return *new (page_) Progress; }

 private:
  void* page_;
};

// One process that runs the operation under the tracer.
class Stepped {
 public:
  Stepped(const Sweep& what, Progress& progress) : progress_(progress), pid_(::fork()) {
    if (pid_ == 0) run(what);
    const int status = wait();
    EXPECT_TRUE(WIFSTOPPED(status)) << "the preparation failed";
  }
  Stepped(const Stepped&) = delete;
  Stepped& operator=(const Stepped&) = delete;
  ~Stepped() {
    ::kill(pid_, SIGKILL);
    (void)wait();
    EXPECT_FALSE(progress_.threw.load()) << "the operation threw";
  }

  [[nodiscard]] bool completed() const { return progress_.completed.load(); }
  [[nodiscard]] std::uintptr_t place() const {
    user_regs_struct registers{};
    ::ptrace(PTRACE_GETREGS, pid_, nullptr, &registers);
    return registers.rip;
  }
  // False when the operation has ended its process.
  bool step() {
    ::ptrace(PTRACE_SINGLESTEP, pid_, nullptr, nullptr);
    return WIFSTOPPED(wait());
  }
  void run_to_end() const {
    ::ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
    (void)wait();
  }
  // One instruction, all its repetitions included.
  bool step_whole() {
    const std::uintptr_t from = place();
    do {
      if (!step()) return false;
    } while (place() == from);
    return true;
  }
  // Goes on at full speed until it is about to execute `place` for the `hit`-th time; false when it completed before.
  bool run_to(std::uintptr_t place, std::size_t hit) {
    if (this->place() == place && --hit == 0) return true;
    const long original = ::ptrace(PTRACE_PEEKTEXT, pid_, place, nullptr);
    for (;;) {
      if (this->place() == place && !step_whole())
        return false;  // over the place, before the trap is laid there
      ::ptrace(PTRACE_POKETEXT, pid_, place, (original & ~0xffL) | kTrap);
      ::ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
      const int status = wait();
      if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) return false;
      user_regs_struct registers{};
      ::ptrace(PTRACE_GETREGS, pid_, nullptr, &registers);
      registers.rip = place;
      ::ptrace(PTRACE_SETREGS, pid_, nullptr, &registers);
      ::ptrace(PTRACE_POKETEXT, pid_, place, original);
      if (--hit == 0) return true;
    }
  }

 private:
  static constexpr long kTrap = 0xcc;

  [[noreturn]] void run(const Sweep& what) {
    try {
      what.prepare();
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      ::raise(SIGSTOP);
      what.operation();
      progress_.completed.store(true);
    } catch (...) {
      progress_.threw.store(true);
    }
    ::raise(SIGSTOP);
    for (;;) ::pause();
  }
  int wait() const {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    return status;
  }

  Progress& progress_;
  pid_t pid_;
};

// Where the operation is before each of its instructions, and how often it has been there until then.
struct Instruction {
  std::uintptr_t place;
  std::size_t visit;
};

std::vector<Instruction> trace(const Sweep& what, Progress& progress) {
  std::vector<Instruction> all;
  std::unordered_map<std::uintptr_t, std::size_t> visits;
  Stepped child(what, progress);
  while (!child.completed() && all.size() <= what.most) {
    const std::uintptr_t place = child.place();
    all.push_back({place, ++visits[place]});
    if (!child.step_whole()) break;
  }
  return all;
}

// Of a loop that comes by the same place very often, such as a copy, the later rounds are sampled.
bool is_sampled(const Instruction& instruction) {
  constexpr std::size_t kEveryRound = 16;
  return instruction.visit <= kEveryRound || std::has_single_bit(instruction.visit);
}

// Dies before the instruction with this number.
Death die_before(const Sweep& what, Progress& progress, const Instruction& instruction, std::size_t number) {
  Stepped child(what, progress);
  (void)child.run_to(instruction.place, instruction.visit);
  return {number, child.completed()};
}

}  // namespace

std::size_t sweep(const Sweep& what) {
  SharedProgress shared;
  Stepped(what, shared.reset()).run_to_end();  // what is made once, and stays, is not part of what is swept
  what.verify({0, true});
  const std::vector<Instruction> instructions = trace(what, shared.reset());
  what.verify({instructions.size(), true});
  EXPECT_LE(instructions.size(), what.most) << "the operation does not end";
  std::size_t deaths = 0;
  std::size_t too_late = 0;
  for (std::size_t i = 0; i < instructions.size() && !::testing::Test::HasFailure(); i += what.stride) {
    if (!is_sampled(instructions[i])) continue;
    const Death death = die_before(what, shared.reset(), instructions[i], i);
    ++deaths;
    too_late += death.completed;
    what.verify(death);
    if (::testing::Test::HasFailure())
      ADD_FAILURE() << "killed after " << i << " of " << instructions.size() << " instructions";
  }
  EXPECT_LE(too_late, deaths / 10 + 2) << "of " << deaths << ": the operation goes another way each time";
  return instructions.size();
}

}  // namespace polyproc::testing
