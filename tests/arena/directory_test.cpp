// SPDX-License-Identifier: MIT
// Objects by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "arena/support.hpp"
#include "support/forked_child.hpp"
#include "support/kill.hpp"

namespace polyproc {
namespace {

using namespace testing;
using ::testing::UnorderedElementsAre;

class Directory : public ::testing::Test {
 protected:
  void SetUp() override { warm_up(arena_); }
  void TearDown() override {
    for (const std::string& name : arena_.names()) EXPECT_TRUE(arena_.withdraw(name));
    (void)arena_.recover();
    expect_clean(arena_);
  }
  Arena arena_ = Arena::anonymous({.limit = 32 * kMiB});
};

TEST_F(Directory, FindsWhatWasPublished) {
  const BlockRef one = make_bytes(arena_, 10);
  const BlockRef two = make_bytes(arena_, 20);
  arena_.publish("one", one);
  arena_.publish("two", two);
  EXPECT_EQ(arena_.find("one"), one);
  EXPECT_EQ(arena_.find("two"), two);
  EXPECT_EQ(arena_.find("three"), std::nullopt);
  EXPECT_THAT(arena_.names(), UnorderedElementsAre("one", "two"));
}

TEST_F(Directory, KeepsAnObjectThatNobodyElseHolds) {
  arena_.publish("kept", make_bytes(arena_, 10));
  fill(make_bytes(arena_, 10), 1);
  ASSERT_TRUE(arena_.find("kept").has_value());
  EXPECT_TRUE(is_zero(*arena_.find("kept")));
}

TEST_F(Directory, WithdrawnIsReleased) {
  const auto before = arena_.stats().blocks;
  arena_.publish("gone", make_bytes(arena_, 10));
  EXPECT_TRUE(arena_.withdraw("gone"));
  EXPECT_FALSE(arena_.withdraw("gone"));
  EXPECT_EQ(arena_.find("gone"), std::nullopt);
  EXPECT_EQ(arena_.stats().blocks, before);
}

TEST_F(Directory, WithdrawnFromTheMiddleLeavesTheOthers) {
  for (const char* name : {"a", "b", "c", "d"}) arena_.publish(name, make_bytes(arena_, 8));
  EXPECT_TRUE(arena_.withdraw("b"));
  EXPECT_TRUE(arena_.withdraw("d"));
  EXPECT_THAT(arena_.names(), UnorderedElementsAre("a", "c"));
}

TEST_F(Directory, TakenNamesAreRefused) {
  arena_.publish("name", make_bytes(arena_, 10));
  const auto before = arena_.stats().blocks;
  const BlockRef other = make_bytes(arena_, 10);
  try {
    arena_.publish("name", other);
    FAIL() << "no exception";
  } catch (const OsError& error) {
    EXPECT_EQ(error.code(), EEXIST);
  }
  EXPECT_EQ(arena_.stats().blocks, before + 1);
}

TEST_F(Directory, BadArgumentsAreRefused) {
  const BlockRef block = make_bytes(arena_, 10);
  EXPECT_THROW(arena_.publish("", block), InvalidArgument);
  EXPECT_THROW((void)arena_.find(""), InvalidArgument);
  EXPECT_THROW((void)arena_.withdraw(""), InvalidArgument);
  EXPECT_THROW(arena_.publish("empty", BlockRef()), UsageError);
  const Arena other = Arena::anonymous();
  EXPECT_THROW(other.publish("foreign", block), InvalidArgument);
}

TEST_F(Directory, NamesMayHaveAnyBytesAndBeLong) {
  const std::string zero("a\0b", 3);
  const std::string longest(300'000, 'n');
  const BlockRef block = make_bytes(arena_, 10);
  arena_.publish(zero, block);
  arena_.publish(longest, block);
  EXPECT_EQ(arena_.find(zero), block);
  EXPECT_EQ(arena_.find(longest), block);
  EXPECT_EQ(arena_.find("a"), std::nullopt);
}

TEST_F(Directory, APublisherOfALongNameKilledAtAnyStepLeavesAllWhole) {
  POLYPROC_NEEDS_FAIL_POINTS();
  const BlockRef block = make_bytes(arena_, 10);
  for (const char* point : {"transaction.logged", "transaction.before_commit", "transaction.committed",
                            "page_heap.reserved", "references.created"}) {
    for (std::uint32_t countdown = 1;; ++countdown) {
      const bool killed = killed_at(
          point, [&] { arena_.publish(std::string(kMiB, 'n'), block); }, countdown);
      (void)arena_.recover();
      expect_clean(arena_);
      const bool published = arena_.withdraw(std::string(kMiB, 'n'));
      EXPECT_TRUE(killed || published);
      // Pages that were written to must not be taken for untouched ones.
      EXPECT_TRUE(is_zero(make_bytes(arena_, kMiB))) << point << " " << countdown;
      (void)arena_.recover();
      if (!killed || HasFailure()) break;
    }
  }
}

TEST_F(Directory, FindOrPublishMakesOne) {
  int made = 0;
  const auto make = [&] {
    ++made;
    return make_bytes(arena_, 10);
  };
  const BlockRef first = arena_.find_or_publish("one", make);
  EXPECT_EQ(arena_.find_or_publish("one", make), first);
  EXPECT_EQ(made, 1);
}

TEST_F(Directory, FindOrPublishOfManyProcessesGivesAllTheSame) {
  SharedPage<std::array<std::atomic<std::uint64_t>, 4>> seen;
  std::vector<ForkedChild> children;
  for (std::size_t i = 0; i < seen->size(); ++i) {
    children.emplace_back([&, i] {
      (*seen)[i] = arena_.find_or_publish("one", [&] { return make_bytes(arena_, 10); }).handle().generation;
    });
  }
  for (auto& child : children) EXPECT_EQ(child.join(), 0);
  for (const auto& each : *seen) EXPECT_EQ(each.load(), seen->front().load());
}

TEST_F(Directory, AFullArenaMakesRoomForAName) {
  const BlockRef kept = make_bytes(arena_, 10);
  ForkedChild child([&] {
    auto all = fill_up(arena_, 2000);
    ::_exit(0);  // without giving anything back
  });
  child.join();
  EXPECT_NO_THROW(arena_.publish(std::string(20'000, 'n'), kept));
}

TEST_F(Directory, WithdrawingAnAbsentNameBesideOpeningHandlesDoesNotHang) {
  arena_.publish("kept", make_bytes(arena_, 10));
  ForkedChild child(
      [&] {
        std::atomic<bool> stop{false};
        std::thread other([&] {
          while (!stop) (void)arena_.withdraw("absent");
        });
        for (int i = 0; i < 20'000; ++i) {
          (void)arena_.find("kept");
        }
        stop = true;
        other.join();
      },
      20);
  EXPECT_EQ(child.join(), 0);
}

}  // namespace
}  // namespace polyproc
