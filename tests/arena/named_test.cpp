// SPDX-License-Identifier: MIT
// Named arenas: files that appear whole, are refused where they do not fit, and go when nobody is attached.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <barrier>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "arena/support.hpp"
#include "support/forked_child.hpp"
#include "support/kill.hpp"

namespace polyproc {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

template <class Act>
int error_code(Act act) {
  try {
    act();
  } catch (const OsError& error) {
    return error.code();
  }
  return 0;
}

std::string file_of(const std::string& name) { return Arena::directory() + "/polyproc." + name; }

// What programs that found an older or a foreign arena would see.
template <class Field>
void patch(const std::string& name, std::size_t offset, Field value) {
  const os::Fd file(::open(file_of(name).c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::pwrite(file.get(), &value, sizeof value, static_cast<off_t>(offset)),
            static_cast<ssize_t>(sizeof value));
}

std::string mismatch(const std::string& name) {
  try {
    (void)Arena::open(name);
  } catch (const TypeMismatch& error) {
    return error.what();
  }
  return "no exception";
}

TEST(NamedArena, IsOpenedByAnotherProgramUnderItsName) {
  const Arena made = Arena::create("orders", {.limit = 8 * kMiB});
  const BlockRef block = make_bytes(made, 64);
  made.publish("object", block);
  ForkedChild child([] {
    // The inherited attachment is this process's own; a program with no common ancestor has none.
    const Arena opened = Arena::open("orders");
    fill(opened.find("object").value(), 3);
    return opened.stats().limit == 8 * kMiB ? 0 : 1;
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(block.data()[0], std::byte{3});
  EXPECT_TRUE(made.withdraw("object"));
  EXPECT_EQ(made.name(), file_of("orders"));
  EXPECT_EQ(made.id(), Arena::open("orders").id());
  EXPECT_EQ(made, Arena::open("orders"));
  expect_clean(made);
  fs::remove(file_of("orders"));
}

TEST(NamedArena, OutlivesItsProcessesAndIsUsedByTheNext) {
  ForkedChild first([] {
    const Arena arena = Arena::create("lasting", {.limit = 8 * kMiB});
    const BlockRef block = make_bytes(arena, 64);
    fill(block, 9);
    arena.publish("object", block);
    ::raise(SIGKILL);
  });
  EXPECT_EQ(first.join(), -SIGKILL);
  {
    const Arena arena = Arena::open("lasting");
    expect_clean(arena);
    EXPECT_EQ(arena.stats().processes, 1u);
    EXPECT_EQ(arena.find("object").value().data()[63], std::byte{9});
  }
  Arena::remove("lasting");
}

TEST(NamedArena, TakenAndAbsentNamesAreRefused) {
  {
    const Arena arena = Arena::create("taken");
    EXPECT_EQ(error_code([] { (void)Arena::create("taken"); }), EEXIST);
    EXPECT_EQ(error_code([] { (void)Arena::open("absent"); }), ENOENT);
    EXPECT_EQ(error_code([] { Arena::remove("absent"); }), ENOENT);
    EXPECT_EQ(Arena::open_or_create("taken"), arena);
  }
  Arena::remove("taken");
}

TEST(NamedArena, MalformedNamesAreRefused) {
  for (const std::string& name :
       {std::string(), std::string(".hidden"), std::string("a/b"), std::string("../x"), std::string("a b"),
        std::string("a\0b", 3), std::string("\xc3\xa4"), std::string(201, 'a')}) {
    EXPECT_THROW((void)Arena::create(name), InvalidArgument) << name;
    EXPECT_THROW((void)Arena::open(name), InvalidArgument) << name;
    EXPECT_THROW(Arena::remove(name), InvalidArgument) << name;
  }
  const std::string longest(200, 'a');
  { const Arena arena = Arena::create(longest); }
  Arena::remove(longest);
}

TEST(NamedArena, IsForItsOwnerOnly) {
  { const Arena arena = Arena::create("private"); }
  struct stat status {};
  ASSERT_EQ(::stat(file_of("private").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  Arena::remove("private");
}

TEST(NamedArena, OfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  { const Arena arena = Arena::create("foreign"); }
  ASSERT_EQ(::chown(file_of("foreign").c_str(), 12345, 12345), 0);
  EXPECT_EQ(error_code([] { (void)Arena::open("foreign"); }), EPERM);
  EXPECT_EQ(error_code([] { Arena::remove("foreign"); }), EPERM);
  EXPECT_EQ(Arena::clean(), 0u);
  EXPECT_TRUE(Arena::list().empty());
  fs::remove(file_of("foreign"));
}

TEST(NamedArena, ThroughASymbolicLinkIsRefused) {
  { const Arena arena = Arena::create("real"); }
  fs::create_symlink(file_of("real"), file_of("link"));
  EXPECT_EQ(error_code([] { (void)Arena::open("link"); }), ELOOP);
  EXPECT_EQ(error_code([] { Arena::remove("link"); }), ELOOP);
  EXPECT_EQ(error_code([] { (void)Arena::create("link"); }), EEXIST);
  fs::remove(file_of("link"));
  Arena::remove("real");
}

TEST(NamedArena, OfAnotherLayoutWordOrPageSizeIsRefusedNamingBoth) {
  { const Arena arena = Arena::create("other"); }
  patch(std::string("other"), offsetof(ArenaHeader, layout_version), std::uint32_t{7});
  EXPECT_THAT(mismatch("other"), AllOf(HasSubstr("layout version 7"),
                                       HasSubstr(fmt::format("layout version {}", kLayoutVersion))));
  patch(std::string("other"), offsetof(ArenaHeader, layout_version), kLayoutVersion);
  patch(std::string("other"), offsetof(ArenaHeader, word_size), std::uint32_t{4});
  EXPECT_THAT(mismatch("other"), AllOf(HasSubstr("4-byte words"), HasSubstr("8-byte words")));
  patch(std::string("other"), offsetof(ArenaHeader, word_size), std::uint32_t{8});
  patch(std::string("other"), offsetof(ArenaHeader, page_size), std::uint64_t{65536});
  EXPECT_THAT(mismatch("other"), AllOf(HasSubstr("65536-byte pages"), HasSubstr("4096-byte pages")));
  patch(std::string("other"), offsetof(ArenaHeader, page_size), kPageSize);
  patch(std::string("other"), offsetof(ArenaHeader, lock_abi), std::uint32_t{2});
  EXPECT_THAT(mismatch("other"), AllOf(HasSubstr("lock version 2"), HasSubstr("lock version 1")));
  patch(std::string("other"), offsetof(ArenaHeader, lock_abi), kLockAbi);
  EXPECT_NO_THROW((void)Arena::open("other"));
  Arena::remove("other");
}

TEST(NamedArena, ThatIsNoArenaIsRefused) {
  std::ofstream(file_of("empty")).close();
  std::ofstream(file_of("text")) << std::string(100'000, 'x');
  EXPECT_THAT(mismatch("empty"), HasSubstr("no arena at all"));
  EXPECT_THAT(mismatch("text"), HasSubstr("no arena at all"));
  ::mkfifo(file_of("pipe").c_str(), 0600);
  EXPECT_EQ(error_code([] { (void)Arena::open("pipe"); }), EPERM);
  fs::create_directory(file_of("folder"));
  EXPECT_NE(error_code([] { (void)Arena::open("folder"); }), 0);
  for (const char* name : {"empty", "text", "pipe", "folder"}) fs::remove(file_of(name));
}

TEST(NamedArena, IsNotRemovedWhileAProcessIsAttached) {
  { const Arena arena = Arena::create("busy"); }
  SharedPage<std::atomic<bool>> attached;
  ForkedChild child([&] {
    const Arena arena = Arena::open("busy");
    *attached = true;
    for (;;) ::pause();
  });
  ASSERT_TRUE(wait_until([&] { return attached->load(); }));
  EXPECT_THROW(Arena::remove("busy"), UsageError);
  EXPECT_EQ(Arena::clean(), 0u);
  ASSERT_EQ(Arena::list().size(), 1u);
  EXPECT_TRUE(Arena::list().front().attached);
  child.kill(SIGKILL);
  child.join();
  ASSERT_EQ(Arena::list().size(), 1u);
  EXPECT_FALSE(Arena::list().front().attached);
  EXPECT_GT(Arena::list().front().bytes, 0u);
  Arena::remove("busy");
  EXPECT_TRUE(Arena::list().empty());
}

TEST(NamedArena, CleanRemovesThoseThatNobodyUses) {
  const Arena used = Arena::create("used");
  { const Arena unused = Arena::create("unused-1"); }
  { const Arena unused = Arena::create("unused-2"); }
  EXPECT_EQ(Arena::list().size(), 3u);
  EXPECT_EQ(Arena::clean(), 2u);
  ASSERT_EQ(Arena::list().size(), 1u);
  EXPECT_EQ(Arena::list().front().name, "used");
  fs::remove(file_of("used"));
}

TEST(NamedArena, IsDetachedWithItsLastHandleAndObject) {
  std::optional<BlockRef> block;
  {
    const Arena arena = Arena::create("held");
    block = make_bytes(arena, 8);
  }
  EXPECT_THROW(Arena::remove("held"), UsageError);
  block.reset();
  EXPECT_NO_THROW(Arena::remove("held"));
}

TEST(NamedArena, FolderIsTakenFromTheEnvironment) {
  const std::string before = Arena::directory();
  ForkedChild child([] {
    ::unsetenv("POLYPROC_DIR");
    if (Arena::directory() != "/dev/shm") return 1;
    ::setenv("POLYPROC_DIR", "", 1);
    if (Arena::directory() != "/dev/shm") return 2;
    ::setenv("POLYPROC_DIR", "/no/such/folder", 1);
    if (error_code([] { (void)Arena::create("x"); }) != ENOENT) return 3;
    return error_code([] { (void)Arena::list(); }) == ENOENT ? 0 : 4;
  });
  EXPECT_EQ(child.join(), 0);
  EXPECT_EQ(Arena::directory(), before);
}

TEST(NamedArena, OfAKilledCreatorLeavesNothing) {
  POLYPROC_NEEDS_FAIL_POINTS();
  EXPECT_TRUE(killed_at("named.before_link", [] { (void)Arena::create("half"); }));
  EXPECT_TRUE(fs::is_empty(Arena::directory()));
}

TEST(NamedArena, MadeAndRemovedByManyAtOnceIsOneAtATime) {
  std::vector<ForkedChild> children;
  for (int i = 0; i < 4; ++i) {
    children.emplace_back([] {
      for (int round = 0; round < 30; ++round) {
        const Arena arena = Arena::open_or_create("contested", {.limit = 8 * kMiB});
        const BlockRef block = make_bytes(arena, 100);
        if (!arena.check().clean()) return 1;
        (void)Arena::clean();
      }
      return 0;
    });
  }
  for (auto& child : children) EXPECT_EQ(child.join(), 0);
  (void)Arena::clean();
  EXPECT_TRUE(Arena::list().empty());
}

TEST(NamedArena, OpenedByThreadsAtTheSameTimeIsAttachedOnce) {
  for (int round = 0; round < 20; ++round) {
    { const Arena arena = Arena::create("shared", {.limit = 8 * kMiB, .reserve = 16 * kMiB}); }
    constexpr int kThreads = 4;
    std::barrier start(kThreads);
    std::vector<std::optional<Arena>> opened(kThreads);
    std::vector<std::thread> threads;
    for (auto& mine : opened) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        mine = Arena::open("shared");
      });
    }
    for (auto& thread : threads) thread.join();
    for (const auto& each : opened) EXPECT_EQ(each, opened.front());
    EXPECT_EQ(opened.front()->stats().processes, 1u);
    const BlockRef block = make_bytes(*opened.back(), 64);
    EXPECT_EQ(open_bytes(block.handle()), block);
    opened.clear();
    if (HasFailure()) break;
    EXPECT_THROW(Arena::remove("shared"), UsageError);
    fs::remove(file_of("shared"));
  }
}

// A file system of 1 MiB as the folder of named arenas.
class FullMount : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = Arena::directory() + "/mount";
    fs::create_directory(folder_);
    if (::geteuid() != 0 || ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=1m") != 0) {
      fs::remove(folder_);
      folder_.clear();
      GTEST_SKIP() << "a small file system can only be mounted by root";
    }
  }
  void TearDown() override {
    if (folder_.empty()) return;
    ::umount2(folder_.c_str(), MNT_DETACH);
    fs::remove(folder_);
  }
  std::string folder_;
};

TEST_F(FullMount, IsAnExceptionAndTheArenaWorksOn) {
  ForkedChild child([&] {
    ::setenv("POLYPROC_DIR", folder_.c_str(), 1);
    const Arena arena = Arena::create("full", {.limit = kKiB * kMiB});
    for (const std::uint64_t size : {100u, 5000u, 200'000u}) {
      auto all = fill_up(arena, size);
      if (all.size() * size < 250'000) return 1;
      for (const BlockRef& block : all) fill(block, 1);
      if (!arena.check().clean()) return 2;
    }
    try {
      (void)make_bytes(arena, 2 * kMiB);
      return 3;
    } catch (const ArenaFull& error) {
      return std::string(error.what()).find("mount") == std::string::npos ? 4 : 0;
    }
  });
  EXPECT_EQ(child.join(), 0);
}

TEST_F(FullMount, WithoutRoomForAnArenaRefusesIt) {
  ForkedChild child([&] {
    std::ofstream(folder_ + "/filler") << std::string(2'000'000, 'x');
    ::setenv("POLYPROC_DIR", folder_.c_str(), 1);
    try {
      (void)Arena::create("none");
      return 1;
    } catch (const ArenaFull&) {
      return fs::exists(folder_ + "/polyproc.none") ? 2 : 0;
    }
  });
  EXPECT_EQ(child.join(), 0);
}

}  // namespace
}  // namespace polyproc
