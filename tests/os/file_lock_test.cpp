// SPDX-License-Identifier: MIT
// Byte locks: proof of life that belongs to an open file description and ends with its last holder.
#include "os/file_lock.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <polyproc/os/error.hpp>
#include <polyproc/os/fd.hpp>
#include <string>

#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using testing::ForkedChild;
using testing::SharedPage;
using testing::wait_until;

class FileLock : public ::testing::Test {
 protected:
  [[nodiscard]] os::Fd reopen() const {
    return os::Fd(::open(("/proc/self/fd/" + std::to_string(file_.get())).c_str(), O_RDWR | O_CLOEXEC));
  }
  os::Fd file_{::memfd_create("lock", MFD_CLOEXEC)};
};

TEST_F(FileLock, IsSeenByOtherDescriptionsAndNotByItsOwn) {
  const os::Fd other = reopen();
  EXPECT_FALSE(os::byte_locked_elsewhere(other.get(), 5));
  ASSERT_TRUE(os::try_lock_byte(file_.get(), 5));
  EXPECT_TRUE(os::byte_locked_elsewhere(other.get(), 5));
  EXPECT_FALSE(os::byte_locked_elsewhere(file_.get(), 5));
}

TEST_F(FileLock, ConcernsItsByteOnly) {
  const os::Fd other = reopen();
  ASSERT_TRUE(os::try_lock_byte(file_.get(), 5));
  EXPECT_FALSE(os::byte_locked_elsewhere(other.get(), 4));
  EXPECT_FALSE(os::byte_locked_elsewhere(other.get(), 6));
  EXPECT_TRUE(os::byte_locked_elsewhere(other.get(), 0, 0));
  EXPECT_TRUE(os::try_lock_byte(other.get(), 6));
}

TEST_F(FileLock, IsRefusedToASecondDescription) {
  const os::Fd other = reopen();
  ASSERT_TRUE(os::try_lock_byte(file_.get(), 5));
  EXPECT_FALSE(os::try_lock_byte(other.get(), 5));
  os::unlock_byte(file_.get(), 5);
  EXPECT_TRUE(os::try_lock_byte(other.get(), 5));
}

TEST_F(FileLock, EndsWithAKilledHolder) {
  SharedPage<std::atomic<bool>> locked;
  ForkedChild child([&] {
    const os::Fd own = reopen();
    *locked = os::try_lock_byte(own.get(), 3);
    for (;;) ::pause();
  });
  ASSERT_TRUE(wait_until([&] { return locked->load(); }));
  EXPECT_TRUE(os::byte_locked_elsewhere(file_.get(), 3));
  child.kill(SIGKILL);
  EXPECT_EQ(child.join(), -SIGKILL);
  EXPECT_FALSE(os::byte_locked_elsewhere(file_.get(), 3));
}

TEST_F(FileLock, IsWaitedForUntilItsHolderDies) {
  SharedPage<std::atomic<bool>> locked;
  ForkedChild holder([&] {
    const os::Fd own = reopen();
    *locked = os::try_lock_byte(own.get(), 0);
    for (;;) ::pause();
  });
  ASSERT_TRUE(wait_until([&] { return locked->load(); }));
  ForkedChild waiter([&] {
    const os::Fd own = reopen();
    os::lock_byte(own.get(), 0);
  });
  ASSERT_TRUE(testing::wait_until_asleep(waiter.pid()));
  EXPECT_FALSE(waiter.ended());
  holder.kill(SIGKILL);
  EXPECT_EQ(waiter.join(), 0);
}

TEST_F(FileLock, LivesAsLongAsAMappingOfItsDescription) {
  os::Fd holder = reopen();
  ASSERT_TRUE(os::try_lock_byte(holder.get(), 1));
  void* page = ::mmap(nullptr, 4096, PROT_NONE, MAP_SHARED, holder.get(), 0);
  ASSERT_NE(page, MAP_FAILED);
  holder.reset();
  EXPECT_TRUE(os::byte_locked_elsewhere(file_.get(), 1));
  ::munmap(page, 4096);
  EXPECT_FALSE(os::byte_locked_elsewhere(file_.get(), 1));
}

TEST_F(FileLock, OfAClosedDescriptorCountsAsHeld) { EXPECT_TRUE(os::byte_locked_elsewhere(-1, 1)); }

TEST_F(FileLock, OnAClosedDescriptorIsAnError) { EXPECT_THROW((void)os::try_lock_byte(-1, 1), OsError); }

}  // namespace
}  // namespace polyproc
