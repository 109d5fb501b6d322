// SPDX-License-Identifier: MIT
// What every benchmark needs: clock, arguments, memory shared with children, calibration, the result's line.
//
// Each program measures one side of one row and prints it as one line of JSON; bench/run asks for the sides in turn, so
// that each figure comes from a fresh process.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace bench {

// Exit status of a program that cannot measure this row here; standard error says why.
inline constexpr int kSkipped = 77;
inline constexpr unsigned kMostSeconds = 70;

struct Skip : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void check(bool good, const char* what) {
  if (!good) throw std::system_error(errno, std::generic_category(), what);
}

[[nodiscard]] inline std::uint64_t now_ns() noexcept {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}
[[nodiscard]] inline double seconds_between(std::uint64_t from, std::uint64_t to) noexcept {
  return 1e-9 * static_cast<double>(to - from);
}

// `program side [what] [name=number...]`
class Arguments {
 public:
  Arguments(int argc, char** argv) : words_(argv + 1, argv + argc) {
    if (words_.empty())
      throw std::invalid_argument("usage: program SIDE [WHAT] [NAME=NUMBER...]; see bench/rows.py");
  }
  [[nodiscard]] const std::string& side() const noexcept { return words_[0]; }
  [[nodiscard]] std::string what(std::string_view otherwise = "") const {
    const bool given = words_.size() > 1 && words_[1].find('=') == std::string::npos;
    return given ? words_[1] : std::string(otherwise);
  }
  [[nodiscard]] double number(std::string_view name, double otherwise) const {
    for (const std::string& word : words_) {
      if (word.starts_with(name) && word[name.size()] == '=') return std::stod(word.substr(name.size() + 1));
    }
    return otherwise;
  }
  [[nodiscard]] std::uint64_t count(std::string_view name, std::uint64_t otherwise) const {
    return static_cast<std::uint64_t>(number(name, static_cast<double>(otherwise)));
  }
  // About how long one measurement takes.
  [[nodiscard]] double seconds() const { return number("seconds", 0.3); }

 private:
  std::vector<std::string> words_;
};

inline void print_result(double value, std::string_view unit) {
  fmt::print("{{\"value\": {:.6g}, \"unit\": \"{}\"}}\n", value, unit);
}

// A T that forked children share with their parent; never destroyed, only unmapped.
template <class T>
class Shared {
 public:
  Shared() {
    void* memory = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(memory != MAP_FAILED, "mmap");
    object_ = new (memory) T();
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { ::munmap(object_, sizeof(T)); }
  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }

 private:
  T* object_;
};

// `run(count)` gives the seconds that `count` operations took. Called with growing counts until one takes about
// `seconds`; the operations per second of that one.
template <class Run>
[[nodiscard]] double calibrated_rate(std::uint64_t first, double seconds, Run run) {
  for (double count = static_cast<double>(first);;) {
    const double took = std::max(run(static_cast<std::uint64_t>(count)), 1e-9);
    if (took >= seconds * 0.6) return count / took;
    count *= std::clamp(seconds / took, 1.5, 30.0);
  }
}

// The same for what one process does alone: `batch` calls at a time until the time is over.
template <class Call>
[[nodiscard]] double timed_rate(std::uint64_t batch, double seconds, Call call) {
  for (std::uint64_t i = 0; i < batch; ++i) call();
  const std::uint64_t begin = now_ns();
  for (std::uint64_t done = batch;; done += batch) {
    for (std::uint64_t i = 0; i < batch; ++i) call();
    const double took = seconds_between(begin, now_ns());
    if (took >= seconds) return static_cast<double>(done) / took;
  }
}

[[nodiscard]] inline double median(std::vector<double> all) {
  if (all.empty()) throw std::logic_error("the median of nothing");
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::nth_element(all.begin(), middle, all.end());
  return *middle;
}

// The body of main: tells about an exception, and turns it into an exit status; ends a program that is stuck.
template <class Body>
int run_program(int argc, char** argv, Body body) {
  ::alarm(kMostSeconds);
  try {
    body(Arguments(argc, argv));
    return 0;
  } catch (const Skip& reason) {
    fmt::print(stderr, "{}\n", reason.what());
    return kSkipped;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}

}  // namespace bench
