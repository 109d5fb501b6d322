// SPDX-License-Identifier: MIT
// textstats [FOLDER...]: lines, words, bytes and letters of all files below some folders, counted by as many processes as
// there are processors, then by one. A queue feeds paths to the workers; what they count adds up in a shared array.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <mutex>

#include <polyproc/polyproc.hpp>

#include "text_counts.hpp"

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Totals = polyproc::Array<std::uint64_t>;
using Texts = polyproc::Queue<std::string>;
using Workers = std::vector<polyproc::Process>;

volatile std::sig_atomic_t interrupted = 0;
struct Interrupted {};

void check_interrupted() {
  if (interrupted != 0) throw Interrupted();
}

void work(Texts paths, Totals totals, Texts unreadable) {
  std::signal(SIGINT, SIG_DFL);  // a worker may end anywhere
  const auto add = [&](const Counts& counts) {
    std::scoped_lock guard(totals.get_lock());
    std::ranges::transform(totals, counts, totals.begin(), std::plus<>());
  };
  for (const std::string& path : paths) {
    if (const auto error = count_file(path, add)) unreadable.put(path + ": " + error.message());
  }
}

// On stderr, so that the result can go through a pipe: on a terminal one line, rewritten, else a line a second.
void show_progress(const Totals& totals, bool end = false) {
  static const bool terminal = ::isatty(STDERR_FILENO) == 1;
  static Clock::time_point next = Clock::now() + 1s;
  if (end && terminal) fmt::print(stderr, "\r\033[K");
  if (end || Clock::now() < next) return;
  next = Clock::now() + (terminal ? 100ms : 1000ms);
  fmt::print(stderr, "{}{} files, {} MB{}", terminal ? "\r" : "", totals.atomic(kFiles).load(),
             totals.atomic(kBytes).load() / 1'000'000, terminal ? "" : "\n");
}

// Tries something again until it is done, unless the user interrupts or a worker fails.
template <class Try>
void insist(const Totals& totals, const Workers& workers, Try attempt) {
  for (bool done = false; !done;) {
    done = attempt();
    show_progress(totals);
    check_interrupted();
    const auto failed = [](const auto& worker) { return worker.exitcode().value_or(0) != 0; };
    if (!done && std::ranges::any_of(workers, failed)) throw std::runtime_error("a worker has died");
  }
}

Result count_by_workers(const std::vector<std::string>& folders, int number) {
  Texts paths(1000);
  Texts unreadable;
  Totals totals(kColumns);
  Workers workers;
  for (int i = 0; i < number; ++i)
    workers.emplace_back(polyproc::ProcessOptions{.daemon = true}, work, paths, totals, unreadable).start();
  const auto feed = [&](const std::string& path) {
    insist(totals, workers, [&] { return paths.put_for(path, 100ms); });
  };
  const auto refused = [&](const std::string& path, std::error_code e) {
    unreadable.put(path + ": " + e.message());
  };
  for (const std::string& folder : folders) walk(folder, feed, refused);
  paths.shutdown();  // the workers drain it and end
  for (const auto& worker : workers)
    insist(totals, workers, [&] { return worker.join_for(100ms) && worker.exitcode() == 0; });
  show_progress(totals, true);
  Result result;
  std::ranges::copy(totals, result.counts.begin());
  while (!unreadable.empty()) result.unreadable.push_back(unreadable.get());
  return result;
}

Result count_alone(const std::vector<std::string>& folders) {
  Result result;
  const auto add = [&](const Counts& counts) {
    check_interrupted();
    std::ranges::transform(result.counts, counts, result.counts.begin(), std::plus<>());
  };
  const auto refused = [&](const std::string& path, std::error_code error) {
    if (error) result.unreadable.push_back(path + ": " + error.message());
  };
  const auto count = [&](const std::string& path) { refused(path, count_file(path, add)); };
  for (const std::string& folder : folders) walk(folder, count, refused);
  return result;
}

template <class Count>
Result timed(Count count) {
  const auto begin = Clock::now();
  Result result = count();
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  std::ranges::sort(result.unreadable);
  return result;
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::vector<std::string> folders(argv + 1, argv + argc);
  if (folders.empty()) folders = {"/usr/share/doc", "/usr/share/common-licenses"};
  const int workers = polyproc::cpu_count();
  try {
    const Result many = timed([&] { return count_by_workers(folders, workers); });
    print(many);
    const Result one = timed([&] { return count_alone(folders); });
    const bool same = many.counts == one.counts && many.unreadable == one.unreadable;
    fmt::print("{} worker processes: {:.2f} s; one process, afterwards: {:.2f} s; the results {}\n", workers,
               many.seconds, one.seconds, same ? "agree" : "DIFFER");
    return same ? 0 : 1;
  } catch (const Interrupted&) {
    fmt::print(stderr, "\ntextstats: interrupted\n");
    return 130;  // the workers are daemons: they are ended at exit
  } catch (const std::exception& error) {
    fmt::print(stderr, "\ntextstats: {}\n", error.what());
    return 1;
  }
}
