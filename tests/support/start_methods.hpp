// SPDX-License-Identifier: MIT
// Tests that run under every start method, each with children of the library's own Process.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <string>

#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/process/process.hpp>
#include <polyproc/process/start_method.hpp>

#include "process/fork_server.hpp"

namespace polyproc::testing {

// All of them. A new one is named here, and every suite of POLYPROC_EACH_METHOD runs under it.
inline constexpr std::array kStartMethods{StartMethod::fork, StartMethod::spawn, StartMethod::forkserver};

// Beyond it a test has failed.
inline constexpr std::chrono::seconds kLong{20};

// For children that are to be killed.
inline void wait_for_ever() {
  for (;;) ::pause();
}

// The next item; T{} when there is none for long.
template <class T>
T take(Queue<T>& queue) {
  return queue.get_for(kLong).value_or(T{});
}

class EachMethod : public ::testing::TestWithParam<StartMethod> {
 protected:
  EachMethod() { Arena::family().recover(); }  // what processes killed by other tests held
  ~EachMethod() override { stop_fork_server(); }
  // The fork server, where there is one, takes part in the arena.
  [[nodiscard]] static std::uint64_t servers() { return GetParam() == StartMethod::forkserver ? 1 : 0; }
  [[nodiscard]] static ProcessOptions options() { return {.method = GetParam()}; }
  [[nodiscard]] static ProcessOptions daemon_options() { return {.daemon = true, .method = GetParam()}; }

  // Starts a child.
  template <class... Call>
  [[nodiscard]] static Process started(Call... call) {
    Process child(options(), call...);
    child.start();
    return child;
  }
  // It ended by itself, and well.
  static void expect_done(Process& child) {
    EXPECT_TRUE(child.join_for(kLong));
    EXPECT_EQ(child.exitcode(), 0);
    end(child);
  }
  static void end(Process& child) {
    if (child.is_alive()) child.kill();
    child.join();
  }
};

#define POLYPROC_EACH_METHOD(Suite)                                                              \
  INSTANTIATE_TEST_SUITE_P(Each, Suite, ::testing::ValuesIn(::polyproc::testing::kStartMethods), \
                           [](const ::testing::TestParamInfo<::polyproc::StartMethod>& info) {   \
                             return std::string(::polyproc::to_string(info.param));              \
                           })

}  // namespace polyproc::testing
