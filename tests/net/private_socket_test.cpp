// SPDX-License-Identifier: MIT
// Sockets that forked children do not keep.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <polyproc/net/listener.hpp>

#include <array>
#include <cerrno>
#include <utility>

#include "net/connecting.hpp"
#include "support/forked_child.hpp"

namespace polyproc::testing {
namespace {

bool is_connected(int fd) {
  sockaddr_storage other{};
  socklen_t size = sizeof other;
  return ::getpeername(fd, reinterpret_cast<sockaddr*>(&other), &size) == 0;
}
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) == FD_CLOEXEC; }

struct Connected {
  explicit Connected(const Listener& listener)
      : fd(connect_socket(listener.address(), Deadline::never(), &socket)) {}
  PrivateSocket socket;
  os::Fd fd;
};

TEST(PrivateSocket, IsReplacedInChildrenAndInTheirs) {
  const Listener listener;
  const Connected one(listener), two(listener);
  const os::Fd common = connect_socket(listener.address(), Deadline::never());
  const auto looks_right = [&] {
    return is_connected(common.get()) && !is_connected(one.fd.get()) && !is_connected(two.fd.get()) &&
           is_open(one.fd.get()) && is_open(two.fd.get());
  };
  const int next = ::dup(0);
  ::close(next);
  ForkedChild child([&] {
    if (!looks_right()) return 1;
    const int after = ::dup(0);
    ::close(after);
    if (after != next) return 2;
    return ForkedChild([&] { return looks_right() ? 0 : 3; }).join();
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_TRUE(is_connected(one.fd.get()));
  EXPECT_TRUE(is_connected(two.fd.get()));
}

TEST(PrivateSocket, IsReplacedWhereNoDescriptorIsLeft) {
  const Listener listener;
  const Connected one(listener), two(listener);
  ForkedChild outer([&] {
    const Connected mine(listener), mine_too(listener);
    const int next = ::dup(0);
    ::close(next);
    const rlimit limit{static_cast<rlim_t>(next), static_cast<rlim_t>(next)};
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
    return ForkedChild([&] {
             const auto good = [](const os::Fd& fd) { return is_open(fd.get()) && !is_connected(fd.get()); };
             return good(mine.fd) && good(mine_too.fd) && ::dup(0) == -1 ? 0 : 2;
           })
        .join();
  });
  EXPECT_EQ(outer.join(), 0);
}

// Its owner closes it first, and another one may get its number meanwhile.
TEST(PrivateSocket, AnotherThatHasItsNumberIsKept) {
  const Listener listener;
  Connected one(listener);
  const int number = one.fd.get();
  one.fd.reset();
  const os::Fd common = connect_socket(listener.address(), Deadline::never());
  ASSERT_EQ(common.get(), number);
  ForkedChild child([&] { return is_connected(number) ? 0 : 1; });
  EXPECT_EQ(child.join(), 0);
}

}  // namespace
}  // namespace polyproc::testing
