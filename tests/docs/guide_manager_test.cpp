// SPDX-License-Identifier: MIT
// The guide's examples of managers, which are compiled and run.
#include <gtest/gtest.h>
#include <polyproc/manager/manager.hpp>
#include <polyproc/process/process.hpp>

#include <string>
#include <thread>
#include <vector>

namespace {

// clang-format off
void enter(polyproc::ListProxy<std::string> visitors, polyproc::DictProxy<std::string, int> visits, std::string name) {
  visitors.append(name);
  visits[name] = visits.get(name, 0) + 1;
}

class Account {
 public:
  void deposit(int sum) { balance_ += sum; }
  int balance() const { return balance_; }

 private:
  int balance_ = 0;
};

TEST(Guide, Managers) {
  polyproc::Manager manager;  // starts the server; it ends with this scope, or with this process
  auto visitors = manager.list<std::string>({"Sam"});
  auto visits = manager.dict<std::string, int>();
  polyproc::Process child(enter, visitors, visits, "Adam");
  child.start();
  child.join();
  EXPECT_EQ(visitors[1], "Adam");
  EXPECT_EQ(visits.at("Adam"), 1);
}

TEST(Guide, ClassesOfYourOwnInAManager) {
  polyproc::Manager::type<Account>("Account").method("deposit", &Account::deposit).method("balance", &Account::balance);
  polyproc::Manager bank;  // after the types are registered
  polyproc::Proxy account = bank.create("Account");
  account.call("deposit", 5);
  int balance = account.call<int>("balance");
  EXPECT_EQ(balance, 5);
  std::vector<polyproc::ManagerFuture<void>> done;
  {
    polyproc::Manager::Batch batch(bank);
    for (int i = 0; i < 100; ++i) done.push_back(account.call_async<void>("deposit", 1));
  }
  for (auto& each : done) each.get();
  EXPECT_EQ(account.call<int>("balance"), 105);
}

TEST(Guide, ManagersOnAnotherComputer) {
  polyproc::ManagerServer server("localhost:0", "our secret");  // in one program
  server.share("visits", "dict");
  std::thread serving([&] { server.serve_forever(); });
  {
    auto remote = polyproc::Manager::connect(server.address(), "our secret");  // in another one
    polyproc::DictProxy<std::string, int> shared_visits(remote.get("visits"));
    shared_visits["Sam"] = 1;
    EXPECT_EQ(shared_visits.size(), 1u);
  }
  server.shutdown();
  serving.join();
}
// clang-format on

}  // namespace
