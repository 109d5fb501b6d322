// SPDX-License-Identifier: MIT
// Watcher: a descriptor for objects that lie in shared memory and have none, for poll, epoll and event loops.
//
//     polyproc::Watcher watcher({orders, answers});
//     loop.add(watcher.fileno(), [&] {
//       for (const std::size_t ready : watcher.ready()) ...
//     });
//
// A thread of this process waits for them meanwhile, one for each arena; it ends when nobody watches any more.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <polyproc/os/config.hpp>
#include <polyproc/sync/wait.hpp>

namespace polyproc::inline v0 {

// Moved, not copied. Not for use by several threads at once, nor in a forked child: make another there.
class POLYPROC_API Watcher {
 public:
  // The objects must outlive it. Throws InvalidArgument for a descriptor, which can be polled itself; OsError when the
  // system refuses a descriptor or a thread.
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
