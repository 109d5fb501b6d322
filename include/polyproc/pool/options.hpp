// SPDX-License-Identifier: MIT
// How a pool, a task, and a task for each element of a range are to be run.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include <polyproc/process/start_method.hpp>

namespace polyproc::inline v0 {

struct PoolOptions {
  int processes = 0;                       // 0: cpu_count()
  std::optional<StartMethod> method = {};  // empty: get_start_method() when the pool is made
  // After so many tasks a worker is replaced by a new one; 0: never. A chunk counts as one task.
  std::uint64_t max_tasks_per_child = 0;
};

// A task that runs longer than `timeout` has its worker killed, and replaced, and ends with TimeoutError; zero: it may run as
// long as it likes. A task whose worker is lost is begun anew up to `retries` times before it ends with WorkerLost: for tasks
// that may run twice.
struct TaskOptions {
  std::chrono::nanoseconds timeout{0};
  unsigned retries = 0;
};

// How many elements are one task for the pool, a chunk: sent, timed, retried and lost together.
struct MapOptions {
  // 0: so many that each worker gets four chunks; one element each when a timeout is given.
  std::size_t chunk_size = 0;
  std::chrono::nanoseconds timeout{0};
  unsigned retries = 0;
  // Told how many elements have ended, and of how many: by map in the thread that waits for it, by map_async in the
  // thread that runs callbacks; never twice at once.
  std::function<void(std::size_t done, std::size_t total)> progress = {};
};

struct ImapOptions {
  std::size_t chunk_size = 1;
  // So many elements at most are taken from the range before their results are asked for. 0: as many as keep the workers
  // busy for some milliseconds, at least two chunks for each.
  std::size_t look_ahead = 0;
  std::chrono::nanoseconds timeout{0};
  unsigned retries = 0;
};

}  // namespace polyproc::inline v0
