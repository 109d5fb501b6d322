// SPDX-License-Identifier: MIT
// Connections by way of shared memory: bytes in their order whatever the sizes, sleepers woken, ends noticed, and what a damaged or
// hostile other end can do.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/passing.hpp"
#include "net/shared_transport.hpp"
#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;
using Side = SharedTransport::Side;

struct Ends {
  Ends() {
    std::array<int, 2> sockets{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()), 0);
    file = SharedLanes::make();
    server = std::make_unique<SharedTransport>(os::Fd(sockets[0]), SharedLanes::attach(file), Side::server);
    client = std::make_unique<SharedTransport>(os::Fd(sockets[1]), SharedLanes::attach(file), Side::client);
  }
  os::Fd file;
  std::unique_ptr<SharedTransport> server, client;
};

// The bytes of a stream, each of its place.
std::byte byte_at(std::uint64_t position) { return static_cast<std::byte>(position * 31 + (position >> 8)); }

bool write_stream(Transport& to, std::uint64_t bytes, std::uint32_t seed,
                  Deadline deadline = Deadline::after(30s)) {
  std::minstd_rand random(seed);
  std::vector<std::byte> part;
  for (std::uint64_t at = 0; at < bytes;) {
    part.resize(std::min<std::uint64_t>(bytes - at, 1 + random() % (random() % 8 == 0 ? 200'000 : 300)));
    for (auto& byte : part) byte = byte_at(at++);
    const iovec whole{part.data(), part.size()};
    if (!to.write(std::span(&whole, 1), deadline)) return false;
  }
  return true;
}

// How many came before the end, each of its place.
std::uint64_t read_stream(Transport& from, std::uint32_t seed) {
  std::minstd_rand random(seed);
  std::vector<std::byte> part(100'000);
  for (std::uint64_t at = 0;;) {
    const auto count = from.read(std::span(part).first(1 + random() % part.size()), Deadline::after(30s));
    if (!count) return 0;
    if (*count == 0) return at;
    for (const auto byte : std::span(part).first(*count))
      if (byte != byte_at(at++)) return 0;
  }
}

TEST(SharedTransport, CarriesBytesOfAnyLengthBetweenThreads) {
  constexpr std::uint64_t kBytes = 10'000'000;
  Ends ends;
  std::thread other([&] {
    EXPECT_TRUE(write_stream(*ends.client, kBytes, 1));
    ends.client.reset();
  });
  EXPECT_EQ(read_stream(*ends.server, 2), kBytes);
  other.join();
}

TEST(SharedTransport, CarriesBytesBothWaysBetweenProcesses) {
  constexpr std::uint64_t kBytes = 3'000'000;
  Ends ends;
  ForkedChild child([&] {
    ends.server.reset();
    std::thread writer([&] { (void)write_stream(*ends.client, kBytes, 3); });
    std::vector<std::byte> part(5000);
    std::uint64_t at = 0;
    while (at < kBytes) {
      const auto count = ends.client->read(part, Deadline::after(30s));
      if (!count || *count == 0) return 1;
      for (const auto byte : std::span(part).first(*count))
        if (byte != byte_at(at++)) return 2;
    }
    writer.join();
    return 0;
  });
  ends.client.reset();
  std::thread writer([&] { EXPECT_TRUE(write_stream(*ends.server, kBytes, 4)); });
  EXPECT_EQ(read_stream(*ends.server, 5), kBytes);
  writer.join();
  EXPECT_EQ(child.join(), 0);
}

TEST(SharedTransport, WakesWhoSleepsForBytesAndForRoom) {
  Ends ends;
  for (int i = 0; i < 300; ++i) {
    std::thread reader([&] {
      std::array<std::byte, 8> room;
      EXPECT_EQ(ends.server->read(room, Deadline::after(30s)), 1u);
    });
    if (i % 3 == 0) std::this_thread::yield();
    const std::byte one{};
    EXPECT_EQ(ends.client->write_some(std::span(&one, 1)), 1u);
    reader.join();
  }
  std::thread writer([&] { EXPECT_TRUE(write_stream(*ends.client, SharedLanes::kCapacity * 3, 1)); });
  std::vector<std::byte> room(1000);
  for (std::uint64_t at = 0; at < SharedLanes::kCapacity * 3;)
    at += ends.server->read(room, Deadline::after(30s)).value();
  writer.join();
}

TEST(SharedTransport, KeepsItsDeadlines) {
  Ends ends;
  std::array<std::byte, 8> room;
  EXPECT_FALSE(ends.server->read(room, Deadline::now()));
  EXPECT_FALSE(ends.server->read(room, Deadline::after(5ms)));
  EXPECT_FALSE(write_stream(*ends.client, SharedLanes::kCapacity * 2, 1, Deadline::after(5ms)));
  EXPECT_EQ(ends.client->write_some(room), 0u);
}

TEST(SharedTransport, TellsWhatWasWrittenBeforeTheEnd) {
  Ends ends;
  EXPECT_TRUE(write_stream(*ends.client, 1000, 1));
  ends.client.reset();
  EXPECT_EQ(read_stream(*ends.server, 1), 1000u);
  std::array<std::byte, 8> bytes{};
  EXPECT_THROW((void)ends.server->write_some(bytes), EndOfFile);
}

TEST(SharedTransport, TellsWhatWasWrittenByOneThatWaitedForRoomAndHasGone) {
  Ends ends;
  std::vector<std::byte> much(SharedLanes::kCapacity);
  EXPECT_EQ(ends.client->write_some(much), much.size());
  EXPECT_EQ(ends.client->write_some(much), 0u);  // announces that it waits
  ends.client.reset();
  EXPECT_EQ(ends.server->read(much, Deadline::after(10s)), much.size());
  EXPECT_EQ(ends.server->read(much, Deadline::after(10s)), 0u);
}

TEST(SharedTransport, NoticesTheEndOfAWriterThatWaitsForRoom) {
  Ends ends;
  std::thread writer([&] { EXPECT_THROW((void)write_stream(*ends.client, 1'000'000, 1), EndOfFile); });
  std::thread reader([&] { EXPECT_EQ(read_stream(*ends.client, 1), 0u); });
  ends.server.reset();
  reader.join();
  writer.join();
}

TEST(SharedTransport, AKilledWriterLeavesWholeBytes) {
  for (const char* point : {"lane.write.copied", "lane.write.published"}) {
    Ends ends;
    ForkedChild child([&] {
      ends.server.reset();
      (void)write_stream(*ends.client, 1000, 1);
      os::arm_fail_point(point, 3);
      (void)write_stream(*ends.client, 1'000'000, 1);
    });
    ends.client.reset();
    std::uint64_t count = 0;
    std::array<std::byte, 999> room;
    while (const auto part = ends.server->read(room, Deadline::after(30s)).value()) {
      for (std::size_t i = 0; i < part; ++i, ++count)
        ASSERT_EQ(room[i], byte_at(count < 1000 ? count : count - 1000)) << point;
    }
#if POLYPROC_FAIL_POINTS
    EXPECT_EQ(child.join(), -SIGKILL) << point;
    EXPECT_LT(count, 1'000'000u);
#else
    EXPECT_EQ(child.join(), 0);
#endif
  }
}

TEST(SharedTransport, ACountThatCannotBeIsRefused) {
  std::array<std::byte, 8> room{};
  for (const std::uint64_t count :
       {std::uint64_t{SharedLanes::kCapacity + 1}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    Ends ends;
    const SharedLanes lanes = SharedLanes::attach(ends.file);
    lanes.lane(0).written = count;
    EXPECT_THROW((void)ends.server->read(room, Deadline::now()), Error);
    lanes.lane(1).taken = count;
    std::vector<std::byte> much(SharedLanes::kCapacity + 1);
    EXPECT_THROW((void)ends.server->write_some(much), Error);
  }
}

TEST(SharedLanes, StayAsLargeAsTheyAre) {
  const os::Fd file = SharedLanes::make();
  EXPECT_EQ(::ftruncate(file.get(), 0), -1);
  EXPECT_EQ(::ftruncate(file.get(), 1 << 30), -1);
  const os::Fd other(::memfd_create("another", MFD_CLOEXEC));
  EXPECT_THROW((void)SharedLanes::attach(other), OsError);
}

// Else the other end could take the memory away from under this one.
TEST(SharedLanes, AreNotUsedWhereTheirSizeMayChange) {
  struct stat status {};
  ASSERT_EQ(::fstat(SharedLanes::make().get(), &status), 0);
  for (const int seals : {0, F_SEAL_GROW | F_SEAL_SEAL, F_SEAL_SHRINK | F_SEAL_GROW}) {
    const os::Fd file(::memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(::ftruncate(file.get(), status.st_size), 0);
    ASSERT_EQ(::fcntl(file.get(), F_ADD_SEALS, seals), 0);
    EXPECT_THROW((void)SharedLanes::attach(file), OsError) << seals;
  }
  const os::Fd no_memory(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  EXPECT_THROW((void)SharedLanes::attach(no_memory), OsError);
}

TEST(Passing, GivesTheDescriptorWithItsByte) {
  std::array<int, 2> sockets{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()), 0);
  Transport from{os::Fd(sockets[0])}, to{os::Fd(sockets[1])};
  ASSERT_TRUE(from.passes_descriptors());
  const os::Fd file = SharedLanes::make();
  const std::byte byte{42};
  ASSERT_TRUE(send_with(from, byte, file));
  std::array<std::byte, 8> room{};
  os::Fd came;
  EXPECT_EQ(read_with(to, room, came, Deadline::after(10s)), 1u);
  EXPECT_EQ(room[0], byte);
  ASSERT_TRUE(came);
  EXPECT_NO_THROW((void)SharedLanes::attach(came));
  EXPECT_FALSE(read_with(to, room, came, Deadline::now()));
}

}  // namespace
}  // namespace polyproc
