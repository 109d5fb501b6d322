// SPDX-License-Identifier: MIT
// Watcher: one descriptor that stands for many things, queues among them, which have none of their own: for poll, epoll
// and event loops.
//
//     polyproc::Watcher watcher({orders, child, control});
//     loop.add(watcher.fileno(), [&] {
//       for (const std::size_t ready : watcher.ready()) ...
//     });
//
// For what lies in shared memory a thread of this process waits meanwhile, one for each arena; it ends when nobody
// watches any more.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <vector>

#include <polyproc/os/config.hpp>
#include <polyproc/sync/wait.hpp>

namespace polyproc::inline v0 {

// Moved, not copied. Not for use by several threads at once; one with objects in shared memory not in a forked child.
class POLYPROC_API Watcher {
 public:
  // The things must outlive it. Throws OsError for a descriptor that is not open, or cannot be waited for with epoll (a
  // regular file), and when the system refuses a descriptor or a thread.
  explicit Watcher(const Waitables& objects);
  explicit Watcher(std::initializer_list<Waitable> objects) : Watcher(Waitables(objects)) {}
  Watcher(Watcher&&) noexcept;
  Watcher& operator=(Watcher&&) noexcept;
  ~Watcher();

  // Becomes readable when one of them is ready, and stays so until ready() finds none. Not for reading.
  [[nodiscard]] int fileno() const;
  // The positions of those that are ready now, ascending.
  [[nodiscard]] std::vector<std::size_t> ready();

 private:
  struct State;
  [[nodiscard]] State& state() const;
  std::unique_ptr<State> state_;
};

}  // namespace polyproc::inline v0
