// SPDX-License-Identifier: MIT
// What the tests of descriptors in queues share.
#pragma once

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/connection.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/codec/descriptor_codec.hpp>
#include <polyproc/os/error.hpp>

#include "support/forked_child.hpp"
#include "support/keepers.hpp"

namespace polyproc::testing {

inline constexpr std::chrono::seconds kPatience{20};  // beyond it a test has failed

// A descriptor that is told from others by what is read from it.
[[nodiscard]] inline os::Fd event(std::uint64_t value) {
  return os::Fd(::eventfd(static_cast<unsigned>(value), EFD_CLOEXEC));
}

[[nodiscard]] inline std::uint64_t value_of(const os::Fd& event) {
  std::uint64_t value = 0;
  EXPECT_EQ(::read(event.get(), &value, sizeof value), ssize_t{sizeof value});
  return value;
}

// Nobody has the other end any more.
template <class T>
void expect_closed(const Connection<T>& end) {
  EXPECT_THROW((void)end.recv_for(kPatience), EndOfFile);
}

// Of a keeper, whose folder in /proc it is.
inline void expect_few_descriptors(const std::string& folder) {
  std::size_t others = 0;
  for (const auto& each : std::filesystem::directory_iterator(folder + "/fd")) {
    const std::string target = std::filesystem::read_symlink(each.path()).string();
    others += target != "/dev/null" && !target.starts_with("socket:") &&
              !target.starts_with("/memfd:polyproc") && !target.starts_with("anon_inode:[event");
  }
  EXPECT_EQ(others, 0u);
}

class Parcel : public ::testing::Test {
 protected:
  using Ends = Queue<Connection<int>>;

  Keepers keepers_;
  Arena arena_ = Arena::anonymous({.limit = 64 << 20});
};

}  // namespace polyproc::testing
