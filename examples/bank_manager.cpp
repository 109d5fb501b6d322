// SPDX-License-Identifier: MIT
// A class of the program's own lives in a server process; ten processes move money between its accounts, and none gets lost.
#include <polyproc/manager/manager.hpp>
#include <polyproc/polyproc.hpp>

#include <iostream>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

class Bank {
 public:
  void open(const std::string& owner, int balance) { balances_[owner] = balance; }
  void transfer(const std::string& from, const std::string& to, int sum) {
    if (balances_.at(from) < sum) throw std::runtime_error(from + " has not enough");
    balances_.at(from) -= sum;
    balances_.at(to) += sum;
  }
  [[nodiscard]] std::map<std::string, int> balances() const { return balances_; }

 private:
  std::map<std::string, int> balances_;
};

const std::vector<std::string> kOwners{"Ada", "Grace", "Linus", "Barbara"};
constexpr int kProcesses = 10, kTransfers = 200;

// How many of the transfers were refused.
void move_money(const polyproc::Proxy& bank, unsigned seed, const polyproc::QueueProxy<int>& refused) {
  std::minstd_rand random(seed);
  int count = 0;
  for (int i = 0; i < kTransfers; ++i) {
    try {
      bank.call("transfer", kOwners[random() % kOwners.size()], kOwners[random() % kOwners.size()],
                static_cast<int>(random() % 100));
    } catch (const polyproc::RemoteError&) {
      ++count;
    }
  }
  refused.put(count);
}

int main(int argc, char** argv) {
  polyproc::Manager::type<Bank>("Bank")
      .method("open", &Bank::open)
      .method("transfer", &Bank::transfer)
      .method("balances", &Bank::balances);
  polyproc::init(argc, argv);

  polyproc::Manager manager;
  const polyproc::Proxy bank = manager.create("Bank");
  for (const std::string& owner : kOwners) bank.call("open", owner, 100);
  const auto refused = manager.queue<int>();

  std::vector<polyproc::Process> processes;
  for (unsigned i = 0; i < kProcesses; ++i) processes.emplace_back(move_money, bank, i + 1, refused);
  for (auto& process : processes) process.start();
  for (auto& process : processes) process.join();

  int sum = 0;
  for (const auto& [owner, balance] : bank.call<std::map<std::string, int>>("balances")) sum += balance;
  int refusals = 0;
  for (int i = 0; i < kProcesses; ++i) refusals += refused.get();
  std::cout << kProcesses << " processes made " << kProcesses * kTransfers << " transfers, "
            << (refusals > 0 ? "some" : "none") << " of them refused\n"
            << "The balances add up to " << sum << " of " << 100 * kOwners.size() << '\n';
  return sum == static_cast<int>(100 * kOwners.size()) ? 0 : 1;
}
