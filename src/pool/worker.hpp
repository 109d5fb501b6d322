// SPDX-License-Identifier: MIT
// What the processes of a pool run, and what they and the pool say to each other. A worker has a queue of tasks of its own, of which it
// takes one after the other; all put their results into one queue.
#pragma once

#include <signal.h>

#include <cstdint>
#include <memory>

#include <polyproc/channel/byte_queue.hpp>
#include <polyproc/pool/byte_pool.hpp>
#include <polyproc/process/target.hpp>

namespace polyproc::inline v0 {

// A task: this, the function, the arguments.
struct TaskHeader {
  std::uint64_t task;
  std::uint64_t function_size;
};

enum class Report : std::uint32_t { value, partly, raised, ready, not_initialized };

// A report: this, and the bytes of the result or exception.
struct ReportHeader {
  std::uint64_t task;
  std::uint32_t worker;
  Report report;
};

[[nodiscard]] ByteQueue make_pool_queue();
[[nodiscard]] ByteQueue open_pool_queue(BlockRef block);

// The initializer is shared by all workers of a pool; each runs a copy of its own.
[[nodiscard]] std::unique_ptr<ProcessTarget> make_worker(std::uint32_t number, const ByteQueue& tasks,
                                                         const ByteQueue& reports,
                                                         std::shared_ptr<ProcessTarget> initializer,
                                                         const sigset_t& signals);

}  // namespace polyproc::inline v0
