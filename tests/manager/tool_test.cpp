// SPDX-License-Identifier: MIT
// The tool's verb `serve`, as a program of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <polyproc/manager/manager.hpp>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include <sys/stat.h>
#include <sys/wait.h>

#include "manager/support.hpp"
#include "support/certificates.hpp"

namespace polyproc::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ServeTool : public ::testing::Test {
 protected:
  ServeTool() {
    fs::create_directory(folder_);
    std::ofstream(key_) << kKey << "\n";
    ::chmod(key_.c_str(), 0600);
  }
  ~ServeTool() override { fs::remove_all(folder_); }

  // What it prints, standard error behind it; its id is its first line, since the shell becomes it.
  std::FILE* start(const std::string& arguments) {
    const fs::path tool = fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "bin/polyproc";
    return ::popen(fmt::format("echo $$; exec '{}' serve {} 2>&1", tool.string(), arguments).c_str(), "re");
  }
  static std::string line(std::FILE* from) {
    std::string text;
    for (int c = std::fgetc(from); c != EOF && c != '\n'; c = std::fgetc(from))
      text.push_back(static_cast<char>(c));
    return text;
  }
  static std::string rest(std::FILE* from) {
    std::string text;
    for (int c = std::fgetc(from); c != EOF; c = std::fgetc(from)) text.push_back(static_cast<char>(c));
    return text;
  }

  const fs::path folder_ = fs::temp_directory_path() / fmt::format("polyproc-tool-{}", ::getpid());
  const fs::path key_ = folder_ / "key";
};

TEST_F(ServeTool, ServesUntilItIsAskedToEnd) {
  const fs::path path = folder_ / "socket";
  for (const int signal : {SIGTERM, SIGINT}) {
    std::FILE* const tool = start(fmt::format(
        "--address unix:{} --authkey-file {} --share records=list --share jobs=Queue --log-level debug",
        path.string(), key_.string()));
    const pid_t pid = std::stoi(line(tool));
    ASSERT_EQ(line(tool), "unix:" + path.string());
    {
      const auto manager = Manager::connect(Address::unix_path(path.string()), kKey);
      const ListProxy<int> records(manager.get("records"));
      records.append(1);
      EXPECT_EQ(ListProxy<int>(manager.get("records")).size(), 1u);
      QueueProxy<int>(manager.get("jobs")).put(1);
    }
    std::ifstream commands(fmt::format("/proc/{}/cmdline", pid));
    const std::string command((std::istreambuf_iterator<char>(commands)), {});
    EXPECT_EQ(command.find(kKey), std::string::npos);
    ::kill(pid, signal);
    const std::string log = rest(tool);
    EXPECT_THAT(log, HasSubstr("asked to end"));
    EXPECT_THAT(log, HasSubstr("connected"));
    EXPECT_EQ(log.find(kKey), std::string::npos);
    EXPECT_EQ(::pclose(tool), 0);
    EXPECT_FALSE(fs::exists(path));
  }
}

TEST_F(ServeTool, SpeaksTlsWithThoseWhoTrustIt) {
  make_certificate(folder_, "server", "DNS:localhost,IP:127.0.0.1");
  make_certificate(folder_, "stranger", "DNS:localhost,IP:127.0.0.1");
  const auto trusting = [&](const std::string& name) {
    return ConnectOptions{.tls = Tls::client(folder_ / (name + ".pem"))};
  };
  std::FILE* const tool = start(
      fmt::format("--address 127.0.0.1:0 --authkey-file {} --share records=list --tls-cert {} --tls-key {}",
                  key_.string(), (folder_ / "server.pem").string(), (folder_ / "server.key").string()));
  const pid_t pid = std::stoi(line(tool));
  const Address address(line(tool));
  {
    const auto manager = Manager::connect(address, kKey, trusting("server"));
    const ListProxy<int> records(manager.get("records"));
    records.extend({1, 2});
    EXPECT_EQ(records[1], 2);
    EXPECT_EQ((manager.dict<std::string, std::string>({{"a", "b"}}).at("a")), "b");
  }
  EXPECT_THROW((void)Manager::connect(address, kKey, trusting("stranger")), Error);
  EXPECT_THROW((void)Manager::connect(address, kKey, {.timeout = std::chrono::milliseconds(200)}), Error);
  ::kill(pid, SIGTERM);
  (void)rest(tool);
  EXPECT_EQ(::pclose(tool), 0);
}

TEST_F(ServeTool, RefusesWhatItCannotServe) {
  const auto said = [&](const std::string& arguments) {
    std::FILE* const tool = start(arguments);
    (void)line(tool);
    std::string text = rest(tool);
    EXPECT_NE(::pclose(tool), 0);
    return text;
  };
  const std::string key = " --authkey-file " + key_.string();
  EXPECT_THAT(said("--address nowhere" + key), HasSubstr("HOST:PORT"));
  EXPECT_THAT(said("--address unix:@x --authkey-file /nothing"), HasSubstr("/nothing"));
  EXPECT_THAT(said("--address unix:@x"), HasSubstr("--authkey-file"));
  EXPECT_THAT(said("--address unix:@x --share a=teleport" + key), HasSubstr("no type 'teleport'"));
  EXPECT_THAT(said("--address unix:@x --share list" + key), HasSubstr("NAME=TYPE"));
  EXPECT_THAT(said("--address unix:@x --tls-cert a" + key), HasSubstr("--tls-key"));
  EXPECT_THAT(said("--address unix:@x --log-level loud" + key), HasSubstr("loud"));
  ::chmod(key_.c_str(), 0644);
  EXPECT_THAT(said("--address unix:@x" + key), HasSubstr("chmod 600"));
}

}  // namespace
}  // namespace polyproc::testing
