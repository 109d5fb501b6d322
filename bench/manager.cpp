// SPDX-License-Identifier: MIT
// Calls on objects in a manager's server, from `clients` processes: per second in all, or microseconds there and back, median
// and 99th percentile. Beside it a bare server with epoll that sends back 30 bytes for each 60, over the same kind of socket.
//
// manager polyproc get|set|append|queue|create|pipelined|batched|median|p99 [clients=1] [tcp=0] [idle=0]
// manager socket   get|median|p99 [clients=1] [tcp=0]
// manager memory   idle|idle_cpython     KiB of the server for each idle client, what it shares with it included
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <fstream>
#include <functional>

#include <polyproc/manager/manager.hpp>

#include "children.hpp"

namespace bench {
namespace {

constexpr std::size_t kQuestion = 60, kAnswer = 30;
constexpr const char* kKey = "a key";
constexpr int kAtOnce = 100;

struct Outcome {
  std::atomic<std::uint64_t> calls{0};
  double median_us = 0, p99_us = 0;
};

// Calls `call`, which makes `each` calls, for so long.
void repeat(double seconds, std::uint64_t each, Outcome& outcome, const std::function<void()>& call) {
  std::vector<double> samples;
  for (int i = 0; i < 50; ++i) call();
  const std::uint64_t begin = now_ns();
  std::uint64_t done = 0;
  for (std::uint64_t now = begin, next = 0; seconds_between(begin, now) < seconds; now = next) {
    call();
    next = now_ns();
    samples.push_back(1e-3 * static_cast<double>(next - now));
    done += each;
  }
  outcome.calls += done;
  outcome.median_us = median(samples);
  const auto at = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() * 99 / 100);
  std::nth_element(samples.begin(), at, samples.end());
  outcome.p99_us = *at;
}

polyproc::Address address(bool tcp) {
  return tcp ? polyproc::Address::tcp("127.0.0.1", 0) : polyproc::Address::unique();
}

void be_client(const polyproc::Manager& manager, const std::string& what, double seconds, Outcome& outcome) {
  if (what == "create") return repeat(seconds, 1, outcome, [&] { (void)manager.dict(); });
  const auto dict = manager.dict<std::string, int>({{"key", 1}});
  const auto list = manager.list<int>();
  const auto queue = manager.queue<int>();
  int count = 0;
  const auto get_many = [&](bool batched) {
    std::optional<polyproc::Manager::Batch> batch;
    if (batched) batch.emplace(manager);
    std::vector<polyproc::ManagerFuture<int>> answers;
    answers.reserve(kAtOnce);
    for (int i = 0; i < kAtOnce; ++i) answers.push_back(dict.call_async<int>("__getitem__", "key"));
    batch.reset();
    for (auto& answer : answers)
      if (answer.get() != 1) throw std::runtime_error("another value");
  };
  if (what == "set") return repeat(seconds, 1, outcome, [&] { dict.set("key", ++count); });
  if (what == "append") return repeat(seconds, 1, outcome, [&] { list.append(1); });
  if (what == "queue")
    return repeat(seconds, 1, outcome, [&] {
      queue.put(++count);
      if (queue.get() != count) throw std::runtime_error("another item");
    });
  if (what == "pipelined") return repeat(seconds, kAtOnce, outcome, [&] { get_many(false); });
  if (what == "batched") return repeat(seconds, kAtOnce, outcome, [&] { get_many(true); });
  repeat(seconds, 1, outcome, [&] {
    if (dict.at("key") != 1) throw std::runtime_error("another value");
  });
}

void print_outcome(const std::string& what, const Outcome& outcome, double seconds) {
  if (what == "median") return print_result(outcome.median_us, "us");
  if (what == "p99") return print_result(outcome.p99_us, "us");
  print_result(static_cast<double>(outcome.calls) / seconds, "call/s");
}

void run_polyproc(const Arguments& arguments) {
  const polyproc::Manager manager({.address = address(arguments.number("tcp", 0) != 0),
                                   .authkey = kKey,
                                   .method = polyproc::StartMethod::fork});
  std::vector<polyproc::ByteSocketConnection> idle;
  for (auto left = arguments.count("idle", 0); left > 0; --left)
    idle.push_back(polyproc::connect_to(manager.address(), {.authkey = kKey}));
  Shared<Outcome> outcome;
  Children children(Placement::free);
  const std::string what = arguments.what();
  for (auto left = arguments.count("clients", 1); left > 0; --left)
    children.start([&] { be_client(manager, what, arguments.seconds(), *outcome); });
  children.wait();
  print_outcome(what, *outcome, arguments.seconds());
}

// ---- the bare server

void transfer(int socket, std::span<std::byte> bytes, bool out) {
  while (!bytes.empty()) {
    const ssize_t count = out ? ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL)
                              : ::recv(socket, bytes.data(), bytes.size(), 0);
    check(count > 0, "transfer");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

std::pair<int, int> make_connection(bool tcp) {
  std::array<int, 2> ends{};
  if (!tcp) {
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0, "socketpair");
    return {ends[0], ends[1]};
  }
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* const name = reinterpret_cast<sockaddr*>(&at);
  check(::bind(listener, name, size) == 0 && ::listen(listener, 1) == 0 &&
            ::getsockname(listener, name, &size) == 0,
        "listen");
  ends[0] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(::connect(ends[0], name, size) == 0, "connect");
  ends[1] = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  check(ends[1] >= 0, "accept");
  ::close(listener);
  const int on = 1;
  for (const int each : ends)
    check(::setsockopt(each, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "setsockopt");
  return {ends[0], ends[1]};
}

[[noreturn]] void serve(const std::vector<int>& sockets) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  for (const int each : sockets) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = each;
    check(::epoll_ctl(epoll, EPOLL_CTL_ADD, each, &event) == 0, "epoll_ctl");
  }
  std::array<std::byte, kQuestion> message{};
  for (;;) {
    std::array<epoll_event, 64> events;
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int socket = events[static_cast<std::size_t>(i)].data.fd;
      const ssize_t got = ::recv(socket, message.data(), message.size(), 0);
      if (got <= 0) {
        ::epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nullptr);
      } else {
        transfer(socket, std::span(message).first(kAnswer), true);
      }
    }
  }
}

void run_socket(const Arguments& arguments) {
  std::vector<int> theirs, ours;
  for (auto left = arguments.count("clients", 1); left > 0; --left) {
    const auto [one, other] = make_connection(arguments.number("tcp", 0) != 0);
    ours.push_back(one);
    theirs.push_back(other);
  }
  Shared<Outcome> outcome;
  Children server(Placement::free), children(Placement::free);
  server.start([&] { serve(theirs); });
  for (const int socket : ours)
    children.start([&, socket] {
      std::array<std::byte, kQuestion> message{};
      repeat(arguments.seconds(), 1, *outcome, [&] {
        transfer(socket, message, true);
        transfer(socket, std::span(message).first(kAnswer), false);
      });
    });
  children.wait();
  print_outcome(arguments.what(), *outcome, arguments.seconds());
}

// ---- memory

double resident_kib(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string word; in >> word;)
    if (word == "Rss:") {
      double kib = 0;
      in >> kib;
      return kib;
    }
  throw std::runtime_error("the server's memory cannot be read");
}

// Processes that have each made a call, and wait.
double kib_of_own_clients() {
  constexpr int kClients = 200;
  const polyproc::Manager manager({.authkey = kKey, .method = polyproc::StartMethod::fork});
  const auto list = manager.list<int>();
  Children children;
  double before = 0;
  for (int started = 0; started < kClients + 20; ++started) {
    if (started == 20) before = resident_kib(*manager.pid());
    children.start([&] {
      list.append(1);
      for (;;) ::pause();
    });
    while (list.size() <= static_cast<std::size_t>(started)) {
    }
  }
  return (resident_kib(*manager.pid()) - before) / kClients;
}

void run_memory(const Arguments& arguments) {
  if (arguments.what() == "idle") return print_result(kib_of_own_clients(), "KiB");
  constexpr std::size_t kClients = 1000;
  rlimit limit{};
  check(::getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  check(::setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  if (limit.rlim_cur < kClients + 100) throw Skip("too few descriptors are allowed");
  const polyproc::Manager manager({.authkey = kKey, .method = polyproc::StartMethod::fork});
  std::vector<polyproc::ByteSocketConnection> clients;
  const auto connect = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      clients.push_back(polyproc::connect_to(manager.address(), {.authkey = kKey}));
      clients.back().send_bytes(polyproc::to_pickle(
          polyproc::Object::tuple({polyproc::Object(), "accept_connection", polyproc::Object::tuple({"idle"}),
                                   polyproc::Object::dict()})));
      (void)clients.back().recv_bytes();
    }
  };
  connect(50);
  const double before = resident_kib(*manager.pid());
  connect(kClients);
  print_result((resident_kib(*manager.pid()) - before) / static_cast<double>(kClients), "KiB");
}

void run(const Arguments& arguments) {
  if (arguments.side() == "memory") return run_memory(arguments);
  return arguments.side() == "socket" ? run_socket(arguments) : run_polyproc(arguments);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::run_program(argc, argv, bench::run); }
