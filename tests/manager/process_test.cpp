// SPDX-License-Identifier: MIT
// Managers with servers of their own, and proxies in other processes, under every start method.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <polyproc/channel/connection.hpp>
#include <polyproc/manager/manager.hpp>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include <sys/wait.h>

#include "support/forked_child.hpp"
#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

struct NoMoney : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Account {
 public:
  explicit Account(std::string owner = "nobody", int balance = 0)
      : owner_(std::move(owner)), balance_(balance) {}
  virtual ~Account() = default;
  virtual void deposit(int sum) { balance_ += sum; }
  int withdraw(int sum) {
    if (sum > balance_) throw NoMoney(fmt::format("{} has {}", owner_, balance_));
    return balance_ -= sum;
  }
  [[nodiscard]] int balance() const noexcept { return balance_; }
  [[nodiscard]] const std::string& owner() const { return owner_; }

 private:
  std::string owner_;
  int balance_;
};

std::shared_ptr<Account> the_bank() {
  static const auto bank = std::make_shared<Account>("bank", 1000);
  return bank;
}

// Opens accounts, which are shared themselves.
class Branch {
 public:
  std::shared_ptr<Account> open(const std::string& owner) {
    auto& account = accounts_[owner];
    if (!account) account = std::make_shared<Account>(owner, 0);
    return account;
  }
  std::shared_ptr<Account> find(const std::string& owner) const {
    const auto found = accounts_.find(owner);
    return found == accounts_.end() ? nullptr : found->second;
  }
  std::shared_ptr<std::string> motto() const { return std::make_shared<std::string>("none"); }

 private:
  std::map<std::string, std::shared_ptr<Account>> accounts_;
};

const bool kRegistered = [] {
  Manager::type<Branch>("Branch")
      .method("open", &Branch::open)
      .method("find", &Branch::find)
      .method("motto", &Branch::motto)
      .constructor<>();
  Manager::type<Account>("Account")
      .constructor<std::string, int>()
      .method("deposit", &Account::deposit)
      .method("withdraw", &Account::withdraw)
      .method("balance", &Account::balance)
      .method("owner", &Account::owner);
  Manager::type<Account>("bank")
      .factory(&the_bank)
      .method("deposit", &Account::deposit)
      .method("balance", &Account::balance);
  return true;
}();

class ManagerProcess : public EachMethod {
 protected:
  [[nodiscard]] static ManagerOptions manager_options() { return {.method = GetParam()}; }
};

void append_from_child(ListProxy<int> list, int from) {
  for (int i = from; i < from + 100; ++i) list.append(i);
}

TEST_P(ManagerProcess, ProxiesWorkInChildren) {
  const Manager manager(manager_options());
  const auto list = manager.list<int>({-1});
  std::vector<Process> children;
  for (int i = 0; i < 3; ++i) children.push_back(started(append_from_child, list, i * 100));
  for (auto& child : children) expect_done(child);
  EXPECT_EQ(list.size(), 301u);
  list.sort();
  EXPECT_THAT(list.slice(0, 3), ElementsAre(-1, 0, 1));
}

void take_from_queue(Manager manager, Queue<ListProxy<int>> proxies) {
  const auto list = proxies.get();
  list.append(2);
  manager.get("bank").call("deposit", 5);
}

TEST_P(ManagerProcess, ManagersAndProxiesGoWhereOtherThingsGo) {
  const Manager manager(manager_options());
  Queue<ListProxy<int>> proxies;
  Process child = started(take_from_queue, manager, proxies);
  const auto list = manager.list<int>({1});
  proxies.put(list);
  expect_done(child);
  EXPECT_THAT(list.values(), ElementsAre(1, 2));
  EXPECT_EQ(manager.get("bank").call<int>("balance"), 1005);
}

TEST_P(ManagerProcess, HoldsObjectsOfTheProgramsOwnClasses) {
  const Manager manager(manager_options());
  const Proxy account = manager.create("Account", "Sam", 10);
  account.call<void>("deposit", 5);
  EXPECT_EQ(account.call<int>("withdraw", 3), 12);
  EXPECT_EQ(account.call<std::string>("owner"), "Sam");
  EXPECT_THAT(account.methods(), ElementsAre("deposit", "withdraw", "balance", "owner"));
  try {
    (void)account.call<int>("withdraw", 100);
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type(), "RuntimeError");
    EXPECT_THAT(error.message(), HasSubstr("NoMoney: Sam has 12"));
  }
  EXPECT_THROW((void)account.call("deposit", "much"), RemoteError);
  EXPECT_THROW((void)account.call("rob"), RemoteError);
  const Proxy bank = manager.get("bank");
  bank.call("deposit", 1);
  EXPECT_EQ(manager.get("bank"), bank);
  EXPECT_EQ(manager.get("bank").call<int>("balance"), 1001);
}

void hold_and_wait(LockProxy lock, QueueProxy<int> queue, Connection<int> ready) {
  lock.lock();
  ready.send(1);
  (void)queue.get();
}

TEST_P(ManagerProcess, KilledClientsGiveBackWhatTheyHeld) {
  const Manager manager(manager_options());
  const std::size_t before = manager.number_of_objects();
  {
    const auto lock = manager.lock();
    const auto queue = manager.queue<int>();
    auto [ours, theirs] = Pipe<int>();
    Process child = started(hold_and_wait, lock, queue, theirs);
    theirs.close();
    (void)ours.recv();
    EXPECT_FALSE(lock.try_lock());
    auto waits = lock.call_async<bool>("acquire");
    child.kill();
    child.join();
    EXPECT_THROW((void)waits.get(), OwnerDied);
    EXPECT_TRUE(lock.try_lock());
    queue.put(1);  // the dead one does not take it
    EXPECT_EQ(queue.get_for(1s), 1);
  }
  EXPECT_EQ(manager.number_of_objects(), before) << manager.debug_info();
}

TEST_P(ManagerProcess, MethodsShareTheObjectsThatTheyReturn) {
  const Manager manager(manager_options());
  const std::size_t before = manager.number_of_objects();
  {
    const Proxy branch = manager.create("Branch");
    EXPECT_TRUE(branch.call("find", "Sam").is_none());
    const Proxy account = branch.call_shared("open", "Sam");
    account.call("deposit", 5);
    const Proxy again = branch.call_shared("find", "Sam");
    EXPECT_EQ(again, account);
    EXPECT_EQ(again.type(), "Account");
    EXPECT_EQ(again.call<int>("balance"), 5);
    EXPECT_EQ(manager.number_of_objects(), before + 2);
    try {
      (void)branch.call_shared("motto");
      ADD_FAILURE() << "an object of no registered class was shared";
    } catch (const RemoteError& error) {
      EXPECT_EQ(error.type(), "TypeError");
    }
  }
  EXPECT_EQ(manager.number_of_objects(), before) << manager.debug_info();
}

TEST_P(ManagerProcess, EndsWithItsScope) {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("polyproc-manager-{}", ::getpid());
  pid_t pid = 0;
  {
    ManagerOptions options = manager_options();
    options.address = Address::unix_path(path.string());
    const Manager manager(options);
    pid = *manager.pid();
    EXPECT_TRUE(std::filesystem::exists(path));
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(active_children().empty());
}

void own_a_manager(std::string path, Connection<int> ready) {
  ManagerOptions options;
  options.address = Address::unix_path(path);
  const Manager manager(options);
  ready.send(*manager.pid());
  wait_for_ever();
}

TEST_P(ManagerProcess, EndsWithItsOwnerHoweverThatDies) {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("polyproc-owned-{}", ::getpid());
  auto [ours, theirs] = Pipe<int>();
  Process owner = started(own_a_manager, path.string(), theirs);
  theirs.close();
  const pid_t server = ours.recv();
  owner.kill();
  owner.join();
  EXPECT_THROW((void)ours.recv(), EndOfFile);
  // Nobody here is told of the server's end: it is no child of this process.
  const Deadline deadline = Deadline::after(kLong);
  while (std::filesystem::exists(path) && !deadline.passed()) ::usleep(1000);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_GT(server, 0);
}

TEST_P(ManagerProcess, KilledServerIsToldToAllClientsAtOnce) {
  const Manager manager(manager_options());
  const auto queue = manager.queue<int>();
  auto waits = queue.call_async<int>("get");
  EXPECT_FALSE(waits.ready());
  ::kill(*manager.pid(), SIGKILL);
  EXPECT_THROW((void)wait_until([&] { return waits.ready(); }), Closed);
  EXPECT_THROW((void)waits.get(), Closed);
  EXPECT_THROW(queue.put(1), Closed);
  EXPECT_THROW((void)manager.list(), Closed);
}

// The program's own handlers for these signals, and SIGTERM blocked, until the end of the scope.
class ProgramsSignals {
 public:
  ProgramsSignals() {
    for (std::size_t i = 0; i < 2; ++i) {
      struct sigaction own {};
      own.sa_handler = [](int) { std::_Exit(77); };
      ::sigaction(kSignals[i], &own, &before_[i]);
    }
    sigset_t termination;
    ::sigemptyset(&termination);
    ::sigaddset(&termination, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &termination, &mask_);
  }
  ProgramsSignals(const ProgramsSignals&) = delete;
  ProgramsSignals& operator=(const ProgramsSignals&) = delete;
  ~ProgramsSignals() {
    ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    for (std::size_t i = 0; i < 2; ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
  }

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM};
  struct sigaction before_[2] = {};
  sigset_t mask_ = {};
};

TEST_P(ManagerProcess, LeavesCtrlCToItsOwnerAndEndsOfSigterm) {
  const ProgramsSignals signals;
  const Manager manager(manager_options());
  const auto list = manager.list<int>({1});
  ASSERT_EQ(::kill(*manager.pid(), SIGINT), 0);
  EXPECT_EQ(list[0], 1);
  auto waits = manager.queue<int>().call_async<int>("get");
  ASSERT_EQ(::kill(*manager.pid(), SIGTERM), 0);
  EXPECT_THROW((void)waits.get(), Closed);
}

POLYPROC_EACH_METHOD(ManagerProcess);

TEST(ManagerStopped, FuturesKeepTheirDeadlines) {
  const Manager manager({.method = StartMethod::fork});
  const auto list = manager.list<std::string>();
  ASSERT_EQ(::kill(*manager.pid(), SIGSTOP), 0);
  ASSERT_TRUE(wait_until([&] { return process_state(*manager.pid()) == 'T'; }));
  std::optional<ManagerFuture<void>> future;
  {
    const Manager::Batch batch(manager);
    future = list.call_async<void>("append", std::string(200'000, 'x'));  // more than the server takes unread
    EXPECT_FALSE(future->wait_for(1ms));
    EXPECT_FALSE(future->ready());
    // Another one that waits for room does not hold it up either.
    std::thread patient([&] { future->wait(); });
    EXPECT_FALSE(future->wait_for(10ms));
    ASSERT_EQ(::kill(*manager.pid(), SIGCONT), 0);
    patient.join();
  }
  EXPECT_TRUE(future->ready());
  EXPECT_EQ(list[0].size(), 200'000u);
}

TEST(ManagerStopped, AProxyThatIsDroppedWhileAnotherThreadSendsIsTold) {
  const auto folder = std::filesystem::temp_directory_path();
  const auto name = fmt::format("polyproc-dropped-{}", ::getpid());
  const Manager manager({.address = Address::unix_path(folder / name), .method = StartMethod::fork});
  // By a connection of its own.
  const Manager observer = Manager::connect(Address::unix_path(folder / "." / name), manager.authkey());
  const auto list = manager.list<std::string>();
  std::optional dropped = manager.list<int>();
  EXPECT_EQ(observer.number_of_objects(), 2u);
  ASSERT_EQ(::kill(*manager.pid(), SIGSTOP), 0);
  ASSERT_TRUE(wait_until([&] { return process_state(*manager.pid()) == 'T'; }));
  {
    const Manager::Batch batch(manager);
    const auto future = list.call_async<void>("append", std::string(200'000, 'x'));
    std::atomic<pid_t> sender{0};
    std::thread sending([&] {
      sender = ::gettid();
      future.wait();
    });
    ASSERT_TRUE(wait_until([&] { return sender != 0; }));
    EXPECT_TRUE(wait_until_asleep(sender));  // until there is room
    dropped.reset();
    ASSERT_EQ(::kill(*manager.pid(), SIGCONT), 0);
    sending.join();
  }
  EXPECT_TRUE(wait_until([&] { return observer.number_of_objects() == 1; })) << observer.debug_info();
}

// A fork of the host's own: the child's calls do not mix with its parent's.
TEST(ManagerFork, AChildHasAConnectionOfItsOwn) {
  const Manager manager({.method = StartMethod::fork});
  const auto list = manager.list<int>();
  list.append(1);
  const pid_t child = ::fork();
  if (child == 0) {
    bool good = true;
    for (int i = 0; i < 100; ++i) {
      list.append(2);
      good &= list[0] == 1;
    }
    const auto own = manager.list<int>({3});
    good &= own[0] == 3;
    ::_exit(good ? 0 : 1);
  }
  for (int i = 0; i < 100; ++i) {
    list.append(2);
    ASSERT_EQ(list[0], 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(list.size(), 201u);
  // The server hears of the child's end beside of our calls.
  EXPECT_TRUE(wait_until([&] { return manager.number_of_objects() == 1; })) << manager.debug_info();
}

}  // namespace
}  // namespace polyproc::testing
