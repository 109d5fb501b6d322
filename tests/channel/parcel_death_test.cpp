// SPDX-License-Identifier: MIT
// Processes killed while they put, get or drop an item with descriptors and with objects of another arena: nothing stays open,
// nothing is kept, and the next item goes through.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/connection.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/shared/value.hpp>

#include "support/forked_child.hpp"
#include "support/keepers.hpp"
#include "support/kill.hpp"

namespace polyproc {
namespace {

using testing::ForkedChild;
using testing::Keepers;
using testing::wait_until;

struct Item {
  std::vector<Connection<int>> ends;
  std::vector<Value<int>> values;
};

class ParcelDeath : public ::testing::Test {
 protected:
  void SetUp() override { POLYPROC_NEEDS_FAIL_POINTS(); }
  ~ParcelDeath() override {
    close_links();
    EXPECT_TRUE(wait_until([] { return Keepers::count() == 0; }));
  }

  void put_one(const Connection<int>& end) {
    queue_.put({{end, end}, {kept_, Value<int>(arena_, 3), on_shelf_}});
  }
  void run(const Connection<int>& end) {
    put_one(end);
    (void)queue_.get();
    put_one(end);
    Queue<Item> dropped(arena_);
    dropped.put({{end}, {on_shelf_}});
  }
  void drain() {
    while (const auto item = queue_.try_get())
      for (const Value<int>& value : item->values) EXPECT_EQ(value, 3);
  }
  // The next putter starts the keeper.
  static void end_keeper() {
    close_links();
    EXPECT_TRUE(wait_until([] { return Keepers::count() == 0; }));
  }

  // How it ended; then nothing may be left of it.
  int run_to(const std::string& point, std::uint32_t countdown) {
    end_keeper();
    Pipe<int> pipe;
    ForkedChild child([&] {
      if (!point.empty()) os::arm_fail_point(point, countdown);
      run(pipe.second);
      drain();
    });
    pipe.second.close();
    const int code = child.join();
    arena_.recover();
    drain();
    EXPECT_THROW((void)pipe.first.recv_for(std::chrono::seconds(20)), EndOfFile) << point << countdown;
    EXPECT_TRUE(wait_until([&] {
      shelf_.recover();
      return shelf_.stats().processes == 1;
    })) << point
        << countdown;
    return code;
  }

  Keepers keepers_;
  Arena arena_ = Arena::anonymous({.limit = 64 << 20});
  struct Shelf {
    Shelf() : arena(Arena::create("shelf", {.limit = 16 << 20})) {}
    Arena arena;
  };
  struct Remover {
    ~Remover() { Arena::remove("shelf"); }
  } remover_;
  Arena shelf_ = Arena::create("shelf", {.limit = 16 << 20});
  Value<int> kept_{arena_, 3};
  Value<int> on_shelf_{shelf_, 3};
  Queue<Item> queue_{arena_};
};

TEST_F(ParcelDeath, AtEachStepLosesAndKeepsNothing) {
  for (int i = 0; i < 2; ++i) ASSERT_EQ(run_to("", 1), 0);  // makes the tables that stay
  const std::uint64_t blocks = arena_.stats().blocks;
  const std::uint64_t on_shelf = shelf_.stats().blocks;
  const std::vector<std::string> points{"keeper.bound",
                                        "keeper.listening",
                                        "keeper.started",
                                        "parcel.some_stored",
                                        "parcel.stored",
                                        "parcel.taken",
                                        "letter.empty",
                                        "letter.reference_added",
                                        "letter.parcel_dropped",
                                        "letter.reference_taken",
                                        "queue.put.message_named",
                                        "queue.put.before_commit",
                                        "queue.put.committed",
                                        "queue.get.committed",
                                        "process_slots.child_prepared",
                                        "references.contents_released"};
  for (const std::string& point : points) {
    bool killed = false;
    for (std::uint32_t countdown = 1; countdown <= 12; ++countdown) {
      const int code = run_to(point, countdown);
      ASSERT_TRUE(code == 0 || code == -SIGKILL) << point << " " << countdown << ": " << code;
      ASSERT_EQ(arena_.stats().blocks, blocks) << point << " " << countdown;
      ASSERT_EQ(shelf_.stats().blocks, on_shelf) << point << " " << countdown;
      ASSERT_TRUE(arena_.check().clean()) << point << " " << countdown;
      ASSERT_TRUE(shelf_.check().clean()) << point << " " << countdown;
      killed = killed || code != 0;
      if (code == 0) break;
    }
    EXPECT_TRUE(killed) << point << " was not passed";
  }
}

}  // namespace
}  // namespace polyproc
