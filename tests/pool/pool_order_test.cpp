// SPDX-License-Identifier: MIT
// No task waits for another worker's long one, or for memory that only others need not have.
#include <polyproc/pool/pool.hpp>

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <ranges>
#include <string>
#include <vector>

#include <polyproc/polyproc.hpp>

#include "support/forked_child.hpp"
#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

int square(int x) { return x * x; }

// What the tasks of the first test share, in each worker.
struct Course {
  Event go;
  Value<int> begun;
  Value<int> second;
};
std::optional<Course> course;

// The first waits; the others take a millisecond each, and count. Where the second came is noted.
void run_course(int index) {
  if (index == 0) return course->go.wait();
  const auto end = std::chrono::steady_clock::now() + 1ms;
  while (std::chrono::steady_clock::now() < end) {
  }
  const std::scoped_lock guard(course->begun.get_lock());
  course->begun = course->begun + 1;
  if (index == 1) course->second = course->begun.get();
}

// A worker is given two tasks at least. Here the first one of two runs until all the others are done.
TEST(PoolOrder, WhatLiesBehindALongTaskIsNotPassedByABacklog) {
  constexpr int kTasks = 400;
  Course shared{Event(), Value<int>(0), Value<int>(0)};
  Pool pool(
      2,
      [](const Event& go, const Value<int>& begun, const Value<int>& second) {
        course.emplace(Course{go, begun, second});
      },
      shared.go, shared.begun, shared.second);
  const auto all = pool.map_async(run_course, std::views::iota(0, kTasks), {.chunk_size = 1});
  EXPECT_TRUE(testing::wait_until([&] { return shared.begun.get() == kTasks - 1; }));
  EXPECT_LT(shared.second.get(), 100);
  EXPECT_FALSE(all.ready());
  shared.go.set();
  all.get();
}

std::size_t size_of(const std::string& text) { return text.size(); }

// In a program of its own: the family's arena is a small one.
void use_a_pool_with_little_memory() {
  constexpr std::size_t kMiB = 1 << 20;
  Arena::configure_family({.limit = 32 * kMiB});
  Pool pool(2);
  Event go;
  Event begun;
  const auto running = pool.submit(
      [](Event said, const Event& end) {
        said.set();
        end.wait();
      },
      begun, go);
  ASSERT_TRUE(begun.wait_for(kLong));
  // Never fits.
  try {
    (void)pool.apply(size_of, std::string(40 * kMiB, 'x'));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("giving a task to a pool's worker"));
  }
  // Does not fit for now; the next one goes past it.
  std::optional<Array<char>> hoard(std::in_place, 24 * kMiB);
  const auto large = pool.submit(size_of, std::string(12 * kMiB, 'x'));
  const auto cancelled = pool.submit(size_of, std::string(12 * kMiB, 'x'));
  EXPECT_EQ(pool.apply(square, 5), 25);
  EXPECT_FALSE(large.ready());
  EXPECT_TRUE(cancelled.cancel());
  // Nobody reports any more, and it goes when there is room.
  hoard.reset();
  EXPECT_TRUE(large.wait_for(kLong));
  EXPECT_EQ(large.get(), 12 * kMiB);
  go.set();
  running.get();
  // Nor is there anything whose end would help.
  hoard.emplace(24 * kMiB);
  EXPECT_THROW((void)pool.apply(size_of, std::string(12 * kMiB, 'x')), Error);
  EXPECT_EQ(pool.apply(square, 6), 36);
}

TEST(PoolMemory, ATaskForWhichThereIsNoneHoldsUpNoOther) {
  constexpr const char* kFresh = "POLYPROC_TEST_FRESH";
  if (std::getenv(kFresh) != nullptr) return use_a_pool_with_little_memory();
  ForkedChild program([] {
    ::setenv(kFresh, "1", 1);
    const auto* const own = ::testing::UnitTest::GetInstance()->current_test_info();
    const std::string filter = std::string("--gtest_filter=") + own->test_suite_name() + "." + own->name();
    ::execl("/proc/self/exe", "test_pool", filter.c_str(), "--gtest_brief=1", nullptr);
    return 98;
  });
  EXPECT_EQ(program.join(), 0);
}

}  // namespace
}  // namespace polyproc::testing
