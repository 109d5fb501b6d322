// SPDX-License-Identifier: MIT
// The code of the guide's chapter on pools.
#include <chrono>
#include <cstdio>
#include <ranges>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <polyproc/polyproc.hpp>

namespace {

using namespace std::chrono_literals;

std::vector<std::string> said;
void say(const std::string& text) { said.push_back(text); }

// clang-format off
int count_words(const std::string& text) {
  int words = 0;
  char before = ' ';
  for (const char c : text) {
    if (before == ' ' && c != ' ') ++words;
    before = c;
  }
  return words;
}

int parse(const std::string& text) { return std::stoi(text); }

void load_model(const std::string& path);
// clang-format on

void load_model(const std::string& /*path*/) {}

// clang-format off
TEST(Guide, Pools) {
  polyproc::Pool pool(4);  // without a number: one process for each processor
  int words = pool.apply(count_words, "one call, and its answer");

  polyproc::Future<int> later = pool.submit(count_words, "the answer is asked for later");
  if (later.wait_for(10s)) words += later.get();

  std::vector<std::string> lines{"one task", "for each element"};
  std::vector<int> all = pool.map(count_words, lines);

  for (int each : pool.imap(count_words, lines)) words += each;  // lazily, one by one
  EXPECT_EQ(words, 5 + 6 + 5);
  EXPECT_EQ(all, (std::vector{2, 3}));
}

TEST(Guide, PoolRanges) {
  polyproc::Pool pool(2);
  auto numbers = std::views::iota(0, 1000) | std::views::transform([](int i) { return std::to_string(i); });
  std::vector<int> parsed = pool.map(parse, numbers, {.chunk_size = 100});
  auto power = [](int base, int exponent) {
    int result = 1;
    while (exponent-- > 0) result *= base;
    return result;
  };
  std::vector<int> powers = pool.starmap(power, std::vector<std::pair<int, int>>{{2, 3}, {3, 2}});
  EXPECT_EQ(parsed.back(), 999);
  EXPECT_EQ(powers, (std::vector{8, 9}));
}

TEST(Guide, PoolErrors) {
  polyproc::Pool pool(2);
  try {
    pool.apply(parse, "many");
  } catch (const polyproc::RemoteError& error) {
    say(error.type() + " in " + error.origin());  // std::invalid_argument in PoolWorker-1 (pid 4711)
  }

  auto parsed = pool.imap(parse, std::vector<std::string>{"1", "two", "3"});
  for (;;) {
    try {
      std::optional<int> next = parsed.next();
      if (!next) break;
      say(std::to_string(*next));
    } catch (const polyproc::RemoteError& error) {
      say("no number");  // and on with the next one
    }
  }
  ASSERT_EQ(said.size(), 4u);
  EXPECT_EQ(said[0].substr(0, 36), "std::invalid_argument in PoolWorker-");
  EXPECT_EQ(said[2], "no number");
}

TEST(Guide, PoolOptions) {
  polyproc::Pool pool({.processes = 2, .method = polyproc::StartMethod::fork, .max_tasks_per_child = 1000},
                      load_model, "model.bin");
  auto task = pool.submit(polyproc::TaskOptions{.timeout = 10s, .retries = 2}, count_words, "may run twice");
  task.on_done([](const polyproc::Future<int>& done) { printf("%d words\n", done.get()); });
  EXPECT_EQ(task.get(), 3);
  pool.close();
  pool.join();
}
// clang-format on

}  // namespace
