// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <polyproc/net/address.hpp>
#include <polyproc/os/error.hpp>

namespace polyproc {
namespace {

TEST(Address, IsMadeOfItsText) {
  const Address tcp("example.org:5000");
  EXPECT_EQ(tcp.family(), Address::Family::tcp);
  EXPECT_EQ(tcp.host(), "example.org");
  EXPECT_EQ(tcp.port(), 5000);
  EXPECT_EQ(Address("[::1]:80"), Address::tcp("::1", 80));
  EXPECT_EQ(Address(":80").host(), "");
  EXPECT_EQ(Address("unix:/run/a:b").path(), "/run/a:b");
  EXPECT_EQ(Address("unix:@orders"), Address::abstract("orders"));
}

TEST(Address, ItsTextMakesTheSame) {
  for (const char* text :
       {"localhost:0", "[::1]:65535", ":1", "unix:relative", "unix:/run/socket", "unix:@name"}) {
    EXPECT_EQ(Address(text).str(), text);
    EXPECT_EQ(fmt::format("{}", Address(text)), text);
  }
}

TEST(Address, MalformedTextIsRefused) {
  for (const char* text : {"", "localhost", "localhost:", "localhost:65536", "localhost:-1", "localhost:80x",
                           "::1:80", "unix:", "unix:@"})
    EXPECT_THROW(Address{text}, InvalidArgument) << text;
  EXPECT_THROW((void)Address::unix_path(std::string(108, 'p')), InvalidArgument);
  EXPECT_NO_THROW((void)Address::unix_path(std::string(107, 'p')));
  EXPECT_THROW((void)Address::unix_path(std::string("a\0b", 3)), InvalidArgument);
}

TEST(Address, AUniqueOneIsAnothersNever) { EXPECT_NE(Address::unique(), Address::unique()); }

}  // namespace
}  // namespace polyproc
