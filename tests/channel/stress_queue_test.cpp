// SPDX-License-Identifier: MIT
// A storm of kills: producers and consumers of all message sizes are killed at random moments and replaced. Nothing is
// torn, doubled or out of order; nothing is missing but what a killed process had in hand.
#include <gtest/gtest.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/queue.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/forked_child.hpp"

namespace polyproc {
namespace {

using testing::ForkedChild;
using testing::SharedPage;

constexpr std::size_t kProducers = 3;
constexpr std::size_t kConsumers = 2;
constexpr int kKills = 60;
constexpr std::size_t kPerProducer = 1 << 16;

struct Head {
  std::uint32_t producer;
  std::uint32_t number;
};

struct Board {
  std::array<std::atomic<std::uint32_t>, kProducers> begun;  // the last item whose put has begun
  std::array<std::array<std::atomic<std::uint8_t>, kPerProducer>, kProducers> put;  // 1: its put has returned
  std::array<std::array<std::atomic<std::uint8_t>, kPerProducer>, kProducers> got;
  std::atomic<std::uint64_t> gets;
  std::atomic<std::uint32_t> wrong;
  std::atomic<std::uint32_t> stop;
};

std::string message(Head head) {
  const std::array<std::size_t, 6> sizes{24, 64, 1000, 24, 9000, 200000};
  std::string text(sizes.at((head.number + head.producer) % sizes.size()),
                   static_cast<char>('a' + head.number % 23));
  std::memcpy(text.data(), &head, sizeof head);
  return text;
}

void produce(Queue<std::string>& queue, Board& board, std::uint32_t producer) {
  constexpr std::uint64_t kFarAhead =
      1000;  // of the consumers: without a bound, a slow machine's arena would fill up
  while (board.stop == 0 && board.begun.at(producer) + 1 < kPerProducer) {
    if (queue.qsize() > kFarAhead) {
      std::this_thread::yield();
      continue;
    }
    const std::uint32_t number = ++board.begun.at(producer);
    queue.put(message({producer, number}));
    board.put.at(producer).at(number) = 1;
  }
}

void consume(Queue<std::string>& queue, Board& board) {
  std::array<std::uint32_t, kProducers> last{};
  while (const auto text = queue.get_for(std::chrono::seconds(board.stop == 0 ? 20 : 1))) {
    Head head{};
    if (text->size() < sizeof head) {
      ++board.wrong;
      continue;
    }
    std::memcpy(&head, text->data(), sizeof head);
    const bool sound = head.producer < kProducers && head.number < kPerProducer && *text == message(head);
    if (!sound || head.number <= last.at(head.producer) ||
        board.got.at(head.producer).at(head.number)++ != 0) {
      ++board.wrong;
      continue;
    }
    last.at(head.producer) = head.number;
    ++board.gets;
  }
}

class StressQueue : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(StressQueue, SurvivesAStormOfKills) {
  const Arena arena = Arena::anonymous({.limit = 512 << 20, .reserve = 0});
  SharedPage<Board> board;
  std::uint64_t killed_consumers = 0;
  {
    Queue<std::string> queue(arena, GetParam());
    std::vector<ForkedChild> children;
    const auto start = [&](std::size_t who) {
      return ForkedChild([&] {
        if (who < kProducers)
          produce(queue, *board, static_cast<std::uint32_t>(who));
        else
          consume(queue, *board);
      });
    };
    for (std::size_t i = 0; i < kProducers + kConsumers; ++i) children.push_back(start(i));
    std::mt19937 random(4711);
    for (int i = 0; i < kKills; ++i) {
      const std::uint64_t before = board->gets;
      ASSERT_TRUE(
          testing::wait_until([&] { return board->gets > before + random() % 40; }, std::chrono::seconds(3)))
          << "no progress after kill " << i;
      const std::size_t victim = random() % children.size();
      children[victim].kill(SIGKILL);
      const int code = children[victim].join();
      ASSERT_EQ(code, -SIGKILL) << "process " << victim << " ended by itself";
      if (victim >= kProducers) ++killed_consumers;
      children[victim] = start(victim);
      if (i % 10 == 0) {
        const ArenaReport report = arena.check();
        ASSERT_TRUE(report.clean()) << report.errors.front();
      }
    }
    board->stop = 1;
    for (auto& child : children) EXPECT_EQ(child.join(), 0);
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.qsize(), 0u);
    arena.recover();
    EXPECT_TRUE(arena.check().clean());
  }
  EXPECT_EQ(board->wrong, 0u);
  std::uint64_t missing = 0;
  for (std::size_t p = 0; p < kProducers; ++p) {
    for (std::uint32_t n = 1; n <= board->begun[p]; ++n)
      missing += board->put[p][n] != 0 && board->got[p][n] == 0;
  }
  EXPECT_LE(missing, killed_consumers);
  arena.recover();
  EXPECT_LE(arena.stats().blocks, 20u) << "tables only";
  const ArenaReport report = arena.check();
  EXPECT_TRUE(report.clean()) << (report.clean() ? "" : report.errors.front());
}

INSTANTIATE_TEST_SUITE_P(Sizes, StressQueue, ::testing::Values(0, 5, 200));

}  // namespace
}  // namespace polyproc
