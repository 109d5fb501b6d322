// SPDX-License-Identifier: MIT
// The biased mutex by itself: who is let in without the mutex, how that is withdrawn, and who dies where.
#include "sync/biased_mutex.hpp"

#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <new>
#include <thread>
#include <vector>

#include "support/forked_child.hpp"
#include "support/kill.hpp"

namespace polyproc {
namespace {

using namespace std::chrono_literals;
using testing::ForkedChild;
using testing::killed_at;
using testing::SharedPage;
using testing::wait_until;

struct Guarded {
  BiasedMutex lock;
  std::uint64_t first = 0;  // changed together, inside
  std::uint64_t second = 0;
};

class Biased : public ::testing::Test {
 protected:
  Biased()
      : block_(BlockRef::create(arena_, BlockKind::bytes, {}, sizeof(Guarded) + 64)),
        words_(*new (aligned(block_.data())) Guarded) {}

  [[nodiscard]] ArenaCore& core() const { return arena_.core(); }
  [[nodiscard]] std::uint64_t me() const { return core().thread_slot().id.load(); }
  // Enters and leaves; whether the last holder had died inside.
  bool visit() const {
    BiasedSection section(words_.lock, core());
    EXPECT_TRUE(section.enter(Deadline::after(20s)));
    EXPECT_EQ(words_.first, words_.second);
    return section.owner_died();
  }
  void count(int times) const {
    BiasedSection section(words_.lock, core());
    for (int i = 0; i < times; ++i) {
      if (!section.enter(Deadline::never())) return;
      ++words_.first;
      ++words_.second;
      section.leave();
    }
  }

  Arena arena_ = Arena::anonymous({.limit = std::uint64_t{8} << 20});
  BlockRef block_;
  Guarded& words_;

 private:
  static void* aligned(std::byte* data) {
    const auto address = reinterpret_cast<std::uintptr_t>(data);
    return data + ((64 - address % 64) % 64);
  }
};

TEST_F(Biased, TheFirstToEnterIsLetInWithoutTheMutexFromThenOn) {
  BiasedSection section(words_.lock, core());
  EXPECT_FALSE(section.enter_biased());
  ASSERT_TRUE(section.enter(Deadline::now()));
  EXPECT_EQ(words_.lock.bias.load(), me());
  EXPECT_EQ(core().thread_slot().inside.load(), core().region().offset_of(&words_.lock));
  EXPECT_EQ(words_.lock.mutex.value.load(), 0u);
  section.leave();
  EXPECT_EQ(core().thread_slot().inside.load(), 0u);
  ASSERT_TRUE(section.enter_biased());
  EXPECT_FALSE(section.owner_died());
}

TEST_F(Biased, ASectionThatIsDestroyedHasLeft) {
  visit();
  {
    BiasedSection section(words_.lock, core());
    ASSERT_TRUE(section.enter(Deadline::now()));
  }
  std::thread([&] { visit(); }).join();
}

TEST_F(Biased, AnotherThreadWithdrawsTheBias) {
  visit();
  std::thread([&] {
    EXPECT_FALSE(visit());
    EXPECT_EQ(words_.lock.bias.load(), 0u) << "a bias that was withdrawn at once is not given at once";
    EXPECT_EQ(words_.lock.owner, 0u);
  }).join();
  BiasedSection section(words_.lock, core());
  EXPECT_FALSE(section.enter_biased());
}

TEST_F(Biased, IsEarnedAgainByManySectionsInARow) {
  visit();
  std::thread([&] { visit(); }).join();
  const std::uint32_t need = words_.lock.need;
  EXPECT_GT(need, 1u);
  for (std::uint32_t i = 0; i < need; ++i) {
    EXPECT_EQ(words_.lock.bias.load(), 0u) << i;
    visit();
  }
  EXPECT_EQ(words_.lock.bias.load(), me());
}

TEST_F(Biased, ARevokerWaitsForTheOwnerToLeave) {
  BiasedSection section(words_.lock, core());
  ASSERT_TRUE(section.enter(Deadline::now()));
  std::atomic<bool> inside{false};
  std::thread other([&] {
    BiasedSection theirs(words_.lock, core());
    EXPECT_TRUE(theirs.enter(Deadline::never()));
    EXPECT_EQ(words_.first, 1u);
    inside = true;
  });
  ASSERT_TRUE(wait_until([&] { return words_.lock.bias.load() == 0; }));
  words_.first = words_.second = 1;
  EXPECT_FALSE(inside);
  section.leave();
  other.join();
  EXPECT_TRUE(inside);
}

TEST_F(Biased, TheOwnerEntersAgainAfterARevokerGaveUp) {
  BiasedSection section(words_.lock, core());
  ASSERT_TRUE(section.enter(Deadline::now()));
  std::thread([&] {
    BiasedSection theirs(words_.lock, core());
    EXPECT_FALSE(theirs.enter(Deadline::after(20ms)));
  }).join();
  EXPECT_EQ(words_.lock.bias.load(), 0u);
  section.leave();
  EXPECT_FALSE(section.enter_biased());
  ASSERT_TRUE(section.enter(Deadline::now()));
  EXPECT_EQ(words_.lock.bias.load(), me());
}

TEST_F(Biased, AThreadsSuccessorInItsSlotIsAnother) {
  std::uint64_t first = 0;
  std::thread([&] {
    visit();
    first = me();
  }).join();
  std::thread([&] {
    EXPECT_EQ(static_cast<std::uint32_t>(me()), static_cast<std::uint32_t>(first)) << "no slot was reused";
    EXPECT_NE(me(), first);
    BiasedSection section(words_.lock, core());
    EXPECT_FALSE(section.enter_biased());
    EXPECT_TRUE(section.enter(Deadline::now()));
    EXPECT_FALSE(section.owner_died());
  }).join();
}

TEST_F(Biased, AnOwnerKilledInsideIsReportedOnce) {
  ForkedChild owner([&] {
    BiasedSection section(words_.lock, core());
    if (section.enter(Deadline::now())) ::raise(SIGKILL);
  });
  EXPECT_EQ(owner.join(), -SIGKILL);
  EXPECT_NE(words_.lock.bias.load(), 0u);
  EXPECT_TRUE(visit());
  EXPECT_FALSE(visit());
  std::thread([&] { EXPECT_FALSE(visit()); }).join();
}

TEST_F(Biased, AnOwnerKilledOutsideIsNot) {
  ForkedChild owner([&] {
    visit();
    ::raise(SIGKILL);
  });
  EXPECT_EQ(owner.join(), -SIGKILL);
  EXPECT_NE(words_.lock.bias.load(), 0u);
  EXPECT_FALSE(visit());
}

TEST_F(Biased, APlainHolderKilledInsideIsReported) {
  visit();
  std::thread([&] { visit(); }).join();
  ForkedChild holder([&] {
    BiasedSection section(words_.lock, core());
    if (section.enter(Deadline::now())) ::raise(SIGKILL);
  });
  EXPECT_EQ(holder.join(), -SIGKILL);
  EXPECT_EQ(words_.lock.bias.load(), 0u);
  EXPECT_TRUE(visit());
  EXPECT_FALSE(visit());
}

TEST_F(Biased, AnOwnerKilledWhileItWaitsInsideFreesTheRevoker) {
  SharedPage<std::atomic<bool>> inside;
  ForkedChild owner([&] {
    BiasedSection section(words_.lock, core());
    if (!section.enter(Deadline::now())) return;
    *inside = true;
    for (;;) ::pause();
  });
  ASSERT_TRUE(wait_until([&] { return inside->load(); }));
  std::thread revoker([&] { EXPECT_TRUE(visit()); });
  EXPECT_TRUE(wait_until([&] { return words_.lock.bias.load() == 0; }));
  owner.kill(SIGKILL);
  owner.join();
  revoker.join();
}

// The bias is another thread's, free, or this process's, in turn.
TEST_F(Biased, WhoeverIsKilledAtAnyStepHoldsNobodyUp) {
  POLYPROC_NEEDS_FAIL_POINTS();
  for (const char* point :
       {"biased_mutex.announced", "biased_mutex.mutex_taken", "biased_mutex.bias_withdrawn",
        "biased_mutex.revoked", "biased_mutex.granted", "biased_mutex.biased"}) {
    bool killed = false;
    for (const bool owned : {false, true}) {
      for (const std::uint32_t need : {1u, 1000u}) {
        visit();
        std::thread([&] { visit(); }).join();
        words_.lock.need = 1;
        if (owned) visit();
        words_.lock.need = need;
        killed |= killed_at(point, [&] { visit(); });
        visit();
        count(3);
        std::thread([&] { count(3); }).join();
        EXPECT_EQ(words_.first, words_.second) << point;
      }
    }
    EXPECT_TRUE(killed) << point;
  }
}

TEST_F(Biased, IsNeverGrantedWhereThereIsNoMembarrier) {
  core().header().fenced = 1;
  for (int i = 0; i < 300; ++i) {
    visit();
    ASSERT_EQ(words_.lock.bias.load(), 0u);
    ASSERT_EQ(words_.lock.owner, 0u);
  }
  ForkedChild holder([&] {
    BiasedSection section(words_.lock, core());
    if (section.enter(Deadline::now())) ::raise(SIGKILL);
  });
  EXPECT_EQ(holder.join(), -SIGKILL);
  EXPECT_TRUE(visit());
  std::vector<std::thread> threads;
  const std::uint64_t before = words_.first;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&] { count(2000); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(words_.first, before + 6000);
}

TEST_F(Biased, ExcludesThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        count(100);
        std::this_thread::yield();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(words_.first, 8000u);
  EXPECT_EQ(words_.second, 8000u);
}

// Each of the dead may have been between its two words, and says so by being reported.
class StressBiased : public Biased {};
TEST_F(StressBiased, SurvivesAStormOfKills) {
  constexpr int kKills = 60;
  const auto work = [&] {
    BiasedSection section(words_.lock, core());
    for (;;) {
      if (!section.enter(Deadline::never())) continue;
      if (section.owner_died()) words_.second = words_.first;
      if (words_.first != words_.second) ::_exit(3);
      ++words_.first;
      ++words_.second;
      section.leave();
    }
  };
  std::vector<ForkedChild> workers;
  for (int i = 0; i < 3; ++i) workers.emplace_back(work);
  for (int i = 0; i < kKills; ++i) {
    const std::uint64_t before = std::atomic_ref(words_.first).load();
    ASSERT_TRUE(wait_until([&] { return std::atomic_ref(words_.first).load() != before; }))
        << "nobody goes on";
    ForkedChild& victim = workers[static_cast<std::size_t>(i) % workers.size()];
    victim.kill(SIGKILL);
    ASSERT_EQ(victim.join(), -SIGKILL);
    victim = ForkedChild(work);
  }
  workers.clear();
  BiasedSection section(words_.lock, core());
  ASSERT_TRUE(section.enter(Deadline::after(20s)));
  EXPECT_TRUE(section.owner_died() || words_.first == words_.second);
  (void)arena_.recover();
  EXPECT_TRUE(arena_.check().clean());
}

}  // namespace
}  // namespace polyproc
