// SPDX-License-Identifier: MIT
// Connections through TLS: who is believed, who is not, and that what goes over the wire is not what was sent.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <polyproc/net/listener.hpp>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <string>
#include <thread>

#include "support/certificates.hpp"

namespace polyproc::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// A certificate for localhost and 127.0.0.1 that is its own root, made once for all tests.
class TlsConnection : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string name = (fs::temp_directory_path() / "polyproc-tls-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = name;
    make_certificate(folder_, "server", "DNS:localhost,IP:127.0.0.1");
    make_certificate(folder_, "stranger", "DNS:elsewhere.invalid");
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }
  static Tls server(const std::string& name = "server") {
    return Tls::server(folder_ / (name + ".pem"), folder_ / (name + ".key"));
  }
  static Tls trusting(const std::string& name = "server") { return Tls::client(folder_ / (name + ".pem")); }

  // What each of both meets: "" for nothing.
  static std::pair<std::string, std::string> meet(const ListenOptions& listening,
                                                  const ConnectOptions& connecting) {
    Listener listener("127.0.0.1:0", listening);
    auto client = std::async(std::launch::async, [&]() -> std::string {
      try {
        const Client<int> connection(listener.address(), connecting);
        connection.send(1);
        (void)connection.recv();
        return "";
      } catch (const Error& error) {
        return error.what();
      }
    });
    std::string here;
    try {
      const auto connection = listener.accept<int>();
      connection.send(connection.recv());
    } catch (const Error& error) {
      here = error.what();
    }
    return {here, client.get()};
  }

  static inline fs::path folder_;
};

TEST_F(TlsConnection, CarriesValuesBothWaysAtOnce) {
  Listener listener("127.0.0.1:0", {.authkey = "k", .tls = server()});
  auto client = std::async(std::launch::async, [&] {
    return Client<std::string>(listener.address(), {.authkey = "k", .tls = trusting()});
  });
  const auto here = listener.accept<std::string>();
  const auto there = client.get();
  constexpr int kMessages = 200;
  const auto run = [](const SocketConnection<std::string>& connection) {
    std::thread sender([&] {
      for (int i = 0; i < kMessages; ++i)
        connection.send(std::string(static_cast<std::size_t>(i) * 500, 'x'));
    });
    for (int i = 0; i < kMessages; ++i)
      EXPECT_EQ(connection.recv().size(), static_cast<std::size_t>(i) * 500);
    sender.join();
  };
  std::thread other([&] { run(there); });
  run(here);
  other.join();
  EXPECT_FALSE(here.poll());
}

TEST_F(TlsConnection, AnEndIsToldAndAPollSeesWhatIsDecrypted) {
  Listener listener("127.0.0.1:0", {.tls = server()});
  auto client =
      std::async(std::launch::async, [&] { return Client<int>(listener.address(), {.tls = trusting()}); });
  const auto here = listener.accept<int>();
  {
    const auto there = client.get();
    there.send(1);
    there.send(2);
  }
  EXPECT_EQ(here.recv(), 1);
  EXPECT_TRUE(here.poll(1s));
  EXPECT_EQ(here.recv(), 2);
  EXPECT_THROW((void)here.recv(), EndOfFile);
}

TEST_F(TlsConnection, WhoIsNotTrustedIsRefused) {
  const auto [here, there] = meet({.tls = server("stranger")}, {.tls = trusting()});
  EXPECT_NE(here, "");
  EXPECT_NE(there.find("certificate"), std::string::npos) << there;
}

TEST_F(TlsConnection, ACertificateForAnotherNameIsRefused) {
  const auto [here, there] = meet({.tls = server("stranger")}, {.tls = trusting("stranger")});
  EXPECT_NE(here, "");
  EXPECT_NE(there.find("certificate"), std::string::npos) << there;
  const auto [fine, too] =
      meet({.tls = server("stranger")}, {.tls = Tls::client(folder_ / "stranger.pem", "elsewhere.invalid")});
  EXPECT_EQ(fine + too, "");
}

TEST_F(TlsConnection, OneWithoutIsRefusedByOneWith) {
  const auto [here, there] = meet({.tls = server()}, {});
  EXPECT_NE(here, "");
  EXPECT_NE(there, "");
  const auto [ours, theirs] = meet({.authkey = "k"}, {.tls = trusting()});
  EXPECT_NE(ours, "");
  EXPECT_NE(theirs, "");
}

TEST_F(TlsConnection, AKeyIsCheckedBesides) {
  const auto [here, there] = meet({.authkey = "k", .tls = server()}, {.authkey = "other", .tls = trusting()});
  EXPECT_NE(here.find("another key"), std::string::npos) << here;
  EXPECT_NE(there.find("refuses"), std::string::npos) << there;
}

TEST_F(TlsConnection, FilesThatAreNoneAreRefused) {
  EXPECT_THROW((void)Tls::server(folder_ / "none.pem", folder_ / "server.key"), Error);
  EXPECT_THROW((void)Tls::server(folder_ / "server.pem", folder_ / "stranger.key"), Error);
  EXPECT_THROW((void)Tls::client(folder_ / "none.pem"), Error);
}

}  // namespace
}  // namespace polyproc::testing
