// SPDX-License-Identifier: MIT
// multiprocessing.connection of each installed CPython at the other end, over each kind of address.
#include <gtest/gtest.h>
#include <polyproc/net/listener.hpp>

#include <filesystem>
#include <string>
#include <vector>

#include <unistd.h>

#include "support/cpython.hpp"

namespace polyproc::testing {
namespace {

constexpr const char* kScript = "tests/net/cpython_peer.py";
constexpr const char* kKey = "secret";

std::string scratch_path(const char* name) {
  return (std::filesystem::temp_directory_path() / fmt::format("polyproc-{}-{}", ::getpid(), name)).string();
}

// Each message comes back as it was; values are read and written anew.
void echo(const ByteSocketConnection& connection) {
  for (int values = 19; values > 0; --values)
    connection.send_bytes(to_pickle(decode_pickle<Object>(connection.recv_bytes())));
  for (int sizes = 7; sizes > 0; --sizes) connection.send_bytes(connection.recv_bytes());
  EXPECT_THROW((void)connection.recv_bytes(), EndOfFile);
}

class CpythonConnection : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_FALSE(all_.empty()) << "no CPython is installed"; }
  static std::vector<Address> addresses() {
    return {Address::tcp("127.0.0.1", 0), Address::unix_path(scratch_path("listener")), Address::unique()};
  }
  // Earlier ones cannot end a listener with an abstract name.
  static std::vector<Cpython> since_38() {
    auto all = installed_cpythons();
    std::erase_if(all, [](const Cpython& each) { return each.minor < 8; });
    return all;
  }
  const std::vector<Cpython> all_ = since_38();
};

TEST_F(CpythonConnection, ItsClientsTalkToOurListener) {
  for (const Cpython& python : all_) {
    for (const Address& address : addresses()) {
      SCOPED_TRACE(fmt::format("{} to {}", python.program, address));
      Listener listener(address, {.authkey = kKey, .allow_md5 = python.is_old()});
      CpythonScript client(python, kScript, fmt::format("client '{}' {}", listener.address(), kKey));
      ASSERT_NO_THROW(echo(listener.accept()));
      EXPECT_EQ(client.join(), 0);
    }
  }
}

TEST_F(CpythonConnection, OurClientsTalkToItsListener) {
  for (const Cpython& python : all_) {
    for (const Address& address : addresses()) {
      SCOPED_TRACE(fmt::format("{} at {}", python.program, address));
      CpythonScript listener(python, kScript, fmt::format("listener '{}' {}", address, kKey));
      const ByteSocketConnection connection =
          connect_to(listener.read_line(), {.authkey = kKey, .allow_md5 = python.is_old()});
      ASSERT_NO_THROW(echo(connection));
      EXPECT_EQ(listener.join(), 0);
    }
  }
}

TEST_F(CpythonConnection, AnotherKeyIsRefusedByEitherEnd) {
  for (const Cpython& python : all_) {
    SCOPED_TRACE(python.program);
    Listener listener(Address::unique(), {.authkey = kKey, .allow_md5 = true});
    CpythonScript client(python, kScript, fmt::format("refused '{}' wrong", listener.address()));
    EXPECT_THROW((void)listener.accept(), AuthenticationError);
    EXPECT_EQ(client.join(), 0);

    CpythonScript theirs(python, kScript, fmt::format("refuses '{}' wrong", Address::unique()));
    EXPECT_THROW(Client<>(theirs.read_line(), {.authkey = kKey, .allow_md5 = true}), AuthenticationError);
    EXPECT_EQ(theirs.join(), 0);
  }
}

// CPython before 3.12 has nothing better, and is refused unless the user allows it.
TEST_F(CpythonConnection, Md5IsRefusedWhereItIsNotAllowed) {
  for (const Cpython& python : all_) {
    if (!python.is_old()) continue;
    SCOPED_TRACE(python.program);
    Listener listener(Address::unique(), {.authkey = kKey});
    CpythonScript client(python, kScript, fmt::format("refused '{}' {}", listener.address(), kKey));
    EXPECT_THROW((void)listener.accept(), AuthenticationError);
    EXPECT_EQ(client.join(), 0);

    CpythonScript theirs(python, kScript, fmt::format("refuses '{}' {}", Address::unique(), kKey));
    EXPECT_THROW(Client<>(theirs.read_line(), {.authkey = kKey}), AuthenticationError);
    EXPECT_EQ(theirs.join(), 0);
  }
}

}  // namespace
}  // namespace polyproc::testing
