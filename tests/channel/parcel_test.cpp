// SPDX-License-Identifier: MIT
// Descriptors in items of queues, and shared objects of other arenas: who has them while nobody does, and when they are closed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/connection.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/codec/descriptor_codec.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/shared/value.hpp>

#include "channel/keeper_start.hpp"
#include "os/named_socket.hpp"
#include "process/keeper_program.hpp"
#include "support/forked_child.hpp"
#include "support/keepers.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;
using testing::Keepers;
using testing::SharedPage;
using testing::wait_until;

constexpr std::chrono::seconds kLong{20};

os::Fd event(std::uint64_t value) { return os::Fd(::eventfd(static_cast<unsigned>(value), EFD_CLOEXEC)); }

std::uint64_t value_of(const os::Fd& event) {
  std::uint64_t value = 0;
  EXPECT_EQ(::read(event.get(), &value, sizeof value), ssize_t{sizeof value});
  return value;
}

// Nobody has the other end any more.
template <class T>
void expect_closed(const Connection<T>& end) {
  EXPECT_THROW((void)end.recv_for(kLong), EndOfFile);
}

// Of a keeper, whose folder in /proc it is.
void expect_few_descriptors(const std::string& folder) {
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

TEST_F(Parcel, AConnectionOutlivesItsSender) {
  Ends queue(arena_);
  for (const bool killed : {false, true}) {
    Pipe<int> pipe;
    ForkedChild sender([&] {
      queue.put(pipe.second);
      if (killed) ::raise(SIGKILL);
    });
    EXPECT_EQ(sender.join(), killed ? -SIGKILL : 0);
    pipe.second.close();
    arena_.recover();
    Connection<int> got = queue.get();
    got.send(5);
    EXPECT_EQ(pipe.first.recv_for(kLong), 5);
    EXPECT_FALSE(pipe.first.poll());
    got.close();  // no other copy is anywhere
    EXPECT_THROW((void)pipe.first.try_recv(), EndOfFile);
  }
}

TEST_F(Parcel, GoesThroughEachKindOfQueueAndSeveralAtOnce) {
  Queue<os::Fd> queue(arena_);
  SimpleQueue<os::Fd> simple(arena_);
  JoinableQueue<std::vector<os::Fd>> joinable(arena_);
  queue.put(event(1));
  simple.put(event(2));
  std::vector<std::vector<os::Fd>> items(3);
  items[0].push_back(event(3));
  items[2].push_back(event(4));
  items[2].push_back(event(5));
  joinable.put_many(items);
  EXPECT_EQ(value_of(queue.get()), 1u);
  EXPECT_EQ(value_of(simple.get()), 2u);
  const auto got = joinable.get_many(3);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(value_of(got[0].at(0)), 3u);
  EXPECT_TRUE(got[1].empty());
  EXPECT_EQ(value_of(got[2].at(1)), 5u);
  for (int i = 0; i < 3; ++i) joinable.task_done();
  EXPECT_EQ(joinable.join(), 0u);
}

struct Work {
  Connection<std::string> answers;
  Value<int> number;
  std::string note;
  os::Fd event;
};

TEST_F(Parcel, GoesTogetherWithSharedObjects) {
  Queue<Work> queue(arena_);
  Pipe<std::string> pipe;
  Value<int> number(arena_, 7);
  ForkedChild sender([&] { queue.put(Work{pipe.second, number, "note", event(8)}); });
  EXPECT_EQ(sender.join(), 0);
  pipe.second.close();
  {
    const Work work = queue.get();
    EXPECT_EQ(work.number, number);
    EXPECT_EQ(value_of(work.event), 8u);
    work.answers.send(work.note);
  }
  EXPECT_EQ(pipe.first.recv_for(kLong), "note");
  expect_closed(pipe.first);
}

TEST_F(Parcel, HoldsMoreDescriptorsThanAPacketDoes) {
  constexpr std::size_t kMany = 300;
  Queue<std::vector<os::Fd>> queue(arena_);
  ForkedChild sender([&] {
    std::vector<os::Fd> all;
    for (std::size_t i = 1; i <= kMany; ++i) all.push_back(event(i));
    queue.put(all);
  });
  EXPECT_EQ(sender.join(), 0);
  const auto got = queue.get();
  ASSERT_EQ(got.size(), kMany);
  for (std::size_t i = 0; i < kMany; ++i) EXPECT_EQ(value_of(got[i]), i + 1);
}

TEST_F(Parcel, IsClosedWithItsItem) {
  const auto put_one = [&](Ends& queue) {
    Pipe<int> pipe;
    queue.put(pipe.second);
    pipe.second.close();
    EXPECT_FALSE(pipe.first.poll());
    return pipe.first;
  };
  std::optional<Ends> queue(arena_);
  const auto first = put_one(*queue);
  const auto second = put_one(*queue);
  queue->get().close();
  EXPECT_THROW((void)first.try_recv(), EndOfFile);
  queue->shutdown(true);
  expect_closed(second);
  queue.emplace(arena_);
  const auto third = put_one(*queue);
  queue.reset();
  expect_closed(third);
  queue.emplace(arena_);
  const auto fourth = put_one(*queue);
  close_links();  // nobody tells the keeper: it finds out
  queue.reset();
  expect_closed(fourth);
  EXPECT_TRUE(arena_.check().clean());
}

TEST_F(Parcel, IsClosedWhenThePutFails) {
  Ends queue(arena_, 1);
  Pipe<int> pipe, other;
  queue.put(other.second);
  EXPECT_FALSE(queue.try_put(pipe.second));
  EXPECT_FALSE(queue.put_for(pipe.second, 1ms));
  pipe.second.close();
  expect_closed(pipe.first);
  EXPECT_EQ(queue.qsize(), 1u);
  queue.shutdown();
  EXPECT_THROW(queue.put(other.first), ShutDown);
  (void)queue.get();
}

TEST_F(Parcel, OfAClosedDescriptorIsRefused) {
  Queue<os::Fd> queue(arena_);
  EXPECT_THROW(queue.put(os::Fd()), UsageError);
  const int number = event(1).get();  // closed again
  try {
    os::Fd stale(number);
    queue.put(stale);
    ADD_FAILURE() << "was accepted";
    (void)stale.release();
  } catch (const OsError& error) {
    EXPECT_EQ(error.code(), EBADF) << error.what();
  }
  EXPECT_TRUE(queue.empty());
}

TEST_F(Parcel, AForkedChildHasAConnectionToTheKeeperOfItsOwn) {
  Queue<os::Fd> queue(arena_);
  queue.put(event(1));  // by this process's
  ForkedChild child([&] { return value_of(queue.get()) == 1 ? (queue.put(event(2)), 0) : 1; });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(value_of(queue.get()), 2u);
}

TEST_F(Parcel, IsLostWithAKilledKeeperAndTheReceiverIsTold) {
  Ends queue(arena_);
  Pipe<int> pipe;
  queue.put(pipe.second);
  pipe.second.close();
  Keepers::kill();
  expect_closed(pipe.first);
  try {
    (void)queue.get();
    ADD_FAILURE() << "came from nowhere";
  } catch (const OsError& error) {
    EXPECT_EQ(error.code(), ECONNRESET);
    EXPECT_NE(std::string(error.what()).find("was killed"), std::string::npos) << error.what();
  }
  EXPECT_TRUE(queue.empty());
  Pipe<int> next;
  queue.put(next.second);  // by another keeper
  queue.get().send(3);
  EXPECT_EQ(next.first.recv_for(kLong), 3);
}

TEST_F(Parcel, OfALostOneAndALaterOneTheLaterArrives) {
  Ends queue(arena_);
  Pipe<int> pipe;
  queue.put(pipe.second);
  Keepers::kill();
  ForkedChild sender([&] { queue.put(pipe.second); });
  EXPECT_EQ(sender.join(), 0);
  EXPECT_THROW((void)queue.get(), OsError);
  queue.get().send(4);
  EXPECT_EQ(pipe.first.recv_for(kLong), 4);
}

TEST_F(Parcel, SendersThatStartTheKeeperAtOnceStartOne) {
  constexpr int kSenders = 3;
  for (int round = 0; round < 5; ++round) {
    Queue<os::Fd> queue(arena_);
    const SharedPage<std::atomic<int>> ready;
    std::vector<ForkedChild> senders;
    for (int i = 0; i < kSenders; ++i) {
      senders.emplace_back([&] {
        ready->fetch_add(1);
        while (ready->load() < kSenders) {
        }
        queue.put(event(9));
      });
    }
    for (ForkedChild& sender : senders) EXPECT_EQ(sender.join(), 0);
    EXPECT_EQ(Keepers::count(), 1u);
    for (int i = 0; i < kSenders; ++i) EXPECT_EQ(value_of(queue.get()), 9u);
    close_links();
    EXPECT_TRUE(wait_until([] { return Keepers::count() == 0; }));
  }
}

TEST_F(Parcel, TheKeeperHasNothingOfItsMaker) {
  Queue<os::Fd> queue(arena_);
  queue.put(event(1));
  const std::string folder = "/proc/" + std::to_string(Keepers::find());
  expect_few_descriptors(folder);
  EXPECT_EQ(std::filesystem::read_symlink(folder + "/cwd"), "/");
  EXPECT_NE(::getsid(Keepers::find()), ::getsid(0));
  EXPECT_EQ(value_of(queue.get()), 1u);
}

TEST_F(Parcel, AnotherUsersProcessUnderTheKeepersNameIsNotTrusted) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs another user";
  const SharedPage<std::atomic<bool>> listens;
  ForkedChild squatter([&] {
    if (::setresuid(65534, 65534, 65534) != 0) return 3;
    const os::Fd socket = os::make_packet_socket();
    if (!os::bind_name(socket.get(), fmt::format("polyproc-keeper.{:016x}.0", arena_.id()))) return 4;
    os::start_listening(socket.get());
    listens->store(true);
    return ::pause();
  });
  ASSERT_TRUE(wait_until([&] { return listens->load() || squatter.ended(); }));
  Queue<os::Fd> queue(arena_);
  queue.put(event(1));
  EXPECT_EQ(arena_.core().header().keeper_number, 1u);
  EXPECT_EQ(value_of(queue.get()), 1u);
  EXPECT_FALSE(squatter.ended());
}

TEST_F(Parcel, AHostMayCloseAllDescriptorsAndUseTheirNumbers) {
  ForkedChild host([&] {
    Queue<os::Fd> queue(arena_);
    queue.put(event(1));
    for (int number = 3; number < 100; ++number) ::close(number);
    std::vector<os::Fd> others;
    while (others.size() < 60) others.push_back(event(5));
    queue.put(event(2));
    if (value_of(queue.get()) != 1 || value_of(queue.get()) != 2) return 3;
    for (const os::Fd& each : others)
      if (value_of(each) != 5) return 4;
    return 0;
  });
  EXPECT_EQ(host.join(), 0);
}

TEST_F(Parcel, TheKeeperEndsWithTheLastProcess) {
  Ends queue(arena_);
  Pipe<int> pipe;
  ForkedChild family([&] {
    const Arena own = Arena::anonymous({.limit = 64 << 20});
    Ends theirs(own);
    theirs.put(pipe.second);
    ::raise(SIGKILL);
  });
  EXPECT_EQ(family.join(), -SIGKILL);
  pipe.second.close();
  expect_closed(pipe.first);
  EXPECT_TRUE(wait_until([] { return Keepers::count() == 0; }));
}

TEST_F(Parcel, WhenTheKeeperIsFullTheSenderIsTold) {
  ForkedChild child([] {
    const Arena own = Arena::anonymous({.limit = 64 << 20});
    const rlimit few{64, 64};
    ::setrlimit(RLIMIT_NOFILE, &few);
    Queue<os::Fd> queue(own);
    std::uint64_t items = 0;
    try {
      for (;; ++items) queue.put(event(items + 1));
    } catch (const OsError& error) {
      if (error.code() != EMFILE) return 3;
    }
    if (items < 30 || items > 64 || queue.qsize() != items) return 4;
    if (value_of(queue.get()) != 1) return 5;
    queue.put(event(items + 1));
    for (std::uint64_t i = 2; i <= items + 1; ++i)
      if (value_of(queue.get()) != i) return 6;
    return own.check().clean() ? 0 : 7;
  });
  EXPECT_EQ(child.join(), 0);
}

TEST_F(Parcel, AReceiverWithoutRoomIsTold) {
  Queue<std::vector<os::Fd>> queue(arena_);
  std::vector<os::Fd> many;
  for (std::uint64_t i = 1; i <= 60; ++i) many.push_back(event(i));
  queue.put(many);
  ForkedChild child([&] {
    const rlimit few{70, 70};
    ::setrlimit(RLIMIT_NOFILE, &few);
    try {
      (void)queue.get();
    } catch (const OsError& error) {
      return error.code() == EMFILE ? 0 : 3;
    }
    return 4;
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_TRUE(queue.empty());
}

TEST_F(Parcel, ManyThreadsPutAndGetAtOnce) {
  Queue<os::Fd> queue(arena_);
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> sum = 0;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 1; i <= 50; ++i) queue.put(event(i));
    });
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) sum += value_of(queue.get());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 3u * 50 * 51 / 2);
  EXPECT_EQ(Keepers::count(), 1u);
}

// ---- a program that did not call init

// Meanwhile keepers are forks of the program that starts them.
class ParcelByFork : public Parcel {
 protected:
  ParcelByFork() { set_keeper_start(nullptr); }
  ~ParcelByFork() override { start_keepers_anew(); }
};

TEST_F(ParcelByFork, AConnectionOutlivesItsSender) {
  Ends queue(arena_);
  Pipe<int> pipe;
  ForkedChild sender([&] {
    queue.put(pipe.second);
    ::raise(SIGKILL);
  });
  EXPECT_EQ(sender.join(), -SIGKILL);
  pipe.second.close();
  queue.get().send(6);
  EXPECT_EQ(pipe.first.recv_for(kLong), 6);
  expect_closed(pipe.first);
}

TEST_F(ParcelByFork, AProgramThatNeverCallsInitIsServed) {
  auto program = (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "plain_parcel").string();
  std::array<char*, 2> arguments{program.data(), nullptr};
  pid_t pid = 0;
  ASSERT_EQ(::posix_spawn(&pid, program.c_str(), nullptr, nullptr, arguments.data(), environ), 0);
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

TEST_F(ParcelByFork, TheKeeperHasNothingOfItsMaker) {
  Queue<os::Fd> queue(arena_);
  const std::uint64_t processes = arena_.stats().processes;
  ::signal(SIGTERM, SIG_IGN);
  queue.put(event(1));
  ::signal(SIGTERM, SIG_DFL);
  const pid_t keeper = Keepers::find();
  const std::string folder = "/proc/" + std::to_string(keeper);
  std::ifstream maps(folder + "/maps");
  for (std::string line; std::getline(maps, line);)
    EXPECT_NE(line.substr(line.find(' ') + 4, 1), "s") << line;
  EXPECT_EQ(arena_.stats().processes, processes);
  expect_few_descriptors(folder);
  close_links();
  ::kill(keeper, SIGTERM);
  EXPECT_TRUE(wait_until([] { return Keepers::count() == 0; }));
}

TEST_F(ParcelByFork, SeveralThreadsMayRunInTheProgram) {
  Queue<os::Fd> queue(arena_);
  std::atomic<bool> over = false;
  std::thread other([&] {
    while (!over) std::string(1000, 'x').clear();
  });
  for (int i = 0; i < 10; ++i) {
    queue.put(event(2));
    EXPECT_EQ(value_of(queue.get()), 2u);
    close_links();
    EXPECT_TRUE(wait_until([] { return Keepers::count() == 0; }));
  }
  over = true;
  other.join();
}

// ---- shared objects of other arenas

class ParcelOfAnotherArena : public Parcel {
 protected:
  ~ParcelOfAnotherArena() override {
    close_links();
    EXPECT_TRUE(wait_until([] {
      (void)Arena::clean();
      return Arena::list().empty();
    }));
  }
};

TEST_F(ParcelOfAnotherArena, AnObjectOfANamedArenaIsHeldByTheItem) {
  Queue<std::vector<Value<int>>> queue(arena_);
  ForkedChild sender([&] {
    const Arena shelf = Arena::create("shelf", {.limit = 4 << 20});
    const Value<int> first(shelf, 1);
    queue.put({first, Value<int>(arena_, 2), Value<int>(shelf, 3), first});
  });
  EXPECT_EQ(sender.join(), 0);
  arena_.recover();
  EXPECT_THROW(Arena::remove("shelf"), UsageError);  // the item refers to it
  {
    const auto got = queue.get();
    ASSERT_EQ(got.size(), 4u);
    EXPECT_EQ(got[0], 1);
    EXPECT_EQ(got[1], 2);
    EXPECT_EQ(got[2], 3);
    EXPECT_EQ(got[0].block(), got[3].block());
    const Arena shelf = got[0].block().arena();
    EXPECT_EQ(shelf.stats().processes, 1u);  // what held them on the way is gone
    EXPECT_TRUE(shelf.check().clean());
  }
  Arena::remove("shelf");
}

TEST_F(ParcelOfAnotherArena, IsReleasedWithAnItemThatNobodyGets) {
  const Arena shelf = Arena::create("shelf", {.limit = 4 << 20});
  const auto put_and_drop = [&] {
    Queue<Value<int>> queue(arena_);
    for (int i = 0; i < 10; ++i) queue.put(Value<int>(shelf, i));
    EXPECT_GE(shelf.stats().blocks, 10u);
  };
  const auto drop_all = [&] {
    put_and_drop();
    EXPECT_TRUE(wait_until([&] {
      shelf.recover();
      return shelf.stats().processes == 1;
    }));
  };
  drop_all();  // makes the tables that stay
  const std::uint64_t blocks = shelf.stats().blocks;
  drop_all();
  EXPECT_EQ(shelf.stats().blocks, blocks);
  EXPECT_TRUE(shelf.check().clean());
}

TEST_F(ParcelOfAnotherArena, TheKeeperIsNoReasonToKeepANamedArena) {
  Pipe<int> pipe;
  ForkedChild sender([&] {
    const Arena shelf = Arena::create("shelf", {.limit = 4 << 20});
    Ends queue(shelf, "ends");
    queue.put(pipe.second);
  });
  EXPECT_EQ(sender.join(), 0);
  pipe.second.close();
  EXPECT_EQ(Arena::clean(), 1u);
  expect_closed(pipe.first);
  EXPECT_TRUE(wait_until([] { return Keepers::count() == 0; }));
}

TEST_F(ParcelOfAnotherArena, OfOneWithoutANameIsRefusedByTheSender) {
  const Arena other = Arena::anonymous({.limit = 1 << 20});
  Queue<Value<int>> queue(arena_);
  EXPECT_THROW(queue.put(Value<int>(other, 1)), UsageError);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace polyproc
