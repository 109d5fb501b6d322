// SPDX-License-Identifier: MIT
// What an exception tells, and that one can be caught by what it is.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <type_traits>

#include <polyproc/os/error.hpp>

namespace polyproc {
namespace {

using ::testing::HasSubstr;

TEST(Error, OfTheSystemNamesOperationObjectAndReason) {
  const OsError error(ENOENT, "open", "/no/such");
  EXPECT_EQ(error.code(), ENOENT);
  EXPECT_EQ(error.operation(), "open");
  EXPECT_EQ(error.object(), "/no/such");
  EXPECT_STREQ(error.what(), "open of /no/such failed: No such file or directory (errno 2)");
}

TEST(Error, KindsFormOneTree) {
  EXPECT_TRUE((std::is_base_of_v<std::runtime_error, Error>));
  EXPECT_TRUE((std::is_base_of_v<Full, ArenaFull>));
  EXPECT_TRUE((std::is_base_of_v<Closed, ShutDown>));
  EXPECT_THROW(throw ArenaFull("x"), Full);
  EXPECT_THROW(throw ShutDown("x"), Closed);
  EXPECT_THROW(throw TypeMismatch("x"), Error);
}

TEST(Checked, RepeatsACallThatASignalInterrupted) {
  int calls = 0;
  const int result = os::checked("try", "it", [&] {
    errno = EINTR;
    return ++calls < 3 ? -1 : 42;
  });
  EXPECT_EQ(result, 42);
  EXPECT_EQ(calls, 3);
}

TEST(Checked, ThrowsWhatTheSystemSaid) {
  try {
    os::checked("open", "/no/such", [] { return ::open("/no/such", O_RDONLY | O_CLOEXEC); });
    FAIL() << "no exception";
  } catch (const OsError& error) {
    EXPECT_EQ(error.code(), ENOENT);
    EXPECT_THAT(error.what(), HasSubstr("/no/such"));
  }
}

}  // namespace
}  // namespace polyproc
