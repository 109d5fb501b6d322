// SPDX-License-Identifier: MIT
// Named arenas between programs with no common ancestor: each peer is another executable (tests/programs/named_peer.cpp),
// started by posix_spawn, and knows nothing but the names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <polyproc/channel/queue.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fd.hpp>
#include <polyproc/shared/array.hpp>
#include <polyproc/shared/value.hpp>
#include <polyproc/sync/lock.hpp>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "arena/layout.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;

// A running peer; the destructor kills and reaps it.
class Peer {
 public:
  Peer(std::string act, std::string arena) {
    auto program = (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "named_peer").string();
    std::array<char*, 4> arguments{program.data(), act.data(), arena.data(), nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, arguments.data(), environ), 0);
  }
  Peer(Peer&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  Peer& operator=(Peer&&) = delete;
  ~Peer() { (void)kill(); }
  int join() {
    int status = 0;
    if (pid_ > 0) ::waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int kill() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    return join();
  }

 private:
  pid_t pid_ = 0;
};

class NamedPrograms : public ::testing::Test {
 protected:
  ~NamedPrograms() override { EXPECT_EQ(Arena::clean(), 1u); }

  struct Shop {
    Arena arena = Arena::create("shop", {.limit = std::uint64_t{32} << 20});
    Queue<std::string> requests{arena, "requests"};
    Queue<std::string> answers{arena, "answers"};
    Value<std::int64_t> bytes{arena, "bytes"};
    Array<std::uint64_t> letters{arena, "letters", 26};
    Lock lock{arena, "lock"};
  };
};

TEST_F(NamedPrograms, WorkTogetherOnWhatTheyFindByName) {
  Shop shop;
  std::vector<Peer> peers;
  for (int i = 0; i < 2; ++i) peers.emplace_back("work", "shop");
  for (int i = 0; i < 500; ++i) shop.requests.put(i % 2 == 0 ? "abc" : "aaaa");
  shop.requests.put(std::string(300'000, 'z'));
  shop.requests.shutdown();
  for (Peer& peer : peers) EXPECT_EQ(peer.join(), 0);
  EXPECT_EQ(shop.answers.qsize(), 501u);
  EXPECT_EQ(shop.bytes.get(), 250 * 7 + 300'000);
  EXPECT_EQ(shop.letters[0], 1250u);
  EXPECT_EQ(shop.letters[1], 250u);
  EXPECT_EQ(shop.letters[25], 300'000u);
  std::size_t longest = 0;
  while (const auto answer = shop.answers.try_get()) longest = std::max(longest, answer->size());
  EXPECT_EQ(longest, 300'001u);
  EXPECT_TRUE(shop.arena.check().clean());
}

TEST_F(NamedPrograms, TellThatOneOfThemWasKilledWithTheLock) {
  Shop shop;
  Peer peer("hold", "shop");
  EXPECT_EQ(shop.answers.get_for(20s), "held");
  EXPECT_FALSE(shop.lock.try_lock());
  EXPECT_EQ(peer.kill(), -SIGKILL);
  EXPECT_THROW(shop.lock.lock(), OwnerDied);
  const std::scoped_lock guard(shop.lock);
  shop.arena.recover();
  EXPECT_EQ(shop.arena.stats().processes, 1u);
}

TEST_F(NamedPrograms, FindWhatAnotherLeftThatHasEnded) {
  EXPECT_EQ(Peer("make", "left").join(), 0);
  const Arena arena = Arena::open("left");
  Queue<std::string> left(arena, "left");
  EXPECT_EQ(left.get(), "by the maker");
  EXPECT_EQ(left.get(), std::string(1'000'000, 'm'));
  EXPECT_TRUE(arena.check().clean());
}

TEST_F(NamedPrograms, AreToldWhenTheyMistakeOneThingForAnother) {
  const Shop shop;
  EXPECT_EQ(Peer("mistake", "shop").join(), 0);
}

TEST_F(NamedPrograms, OfAnotherLayoutAreRefused) {
  const auto path = Arena::directory() + "/polyproc.shop";
  const auto patch = [&](std::size_t offset, std::uint32_t value) {
    const os::Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_EQ(::pwrite(file.get(), &value, sizeof value, static_cast<off_t>(offset)),
              static_cast<ssize_t>(sizeof value));
  };
  const Shop shop;
  for (const auto& [offset, right] : {std::pair{offsetof(ArenaHeader, layout_version), kLayoutVersion},
                                      std::pair{offsetof(ArenaHeader, word_size), std::uint32_t{8}}}) {
    patch(offset, right + 1);
    EXPECT_EQ(Peer("refuse", "shop").join(), 0);
    patch(offset, right);
  }
  EXPECT_EQ(Peer("mistake", "shop").join(), 0);
}

}  // namespace
}  // namespace polyproc
