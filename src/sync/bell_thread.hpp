// SPDX-License-Identifier: MIT
// A thread for each arena that listens to this process's bell on behalf of descriptors: so that objects in shared memory
// can be waited for together with descriptors, and in event loops. It runs while somebody listens, and a moment longer.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <polyproc/os/fd.hpp>
#include <polyproc/sync/waitable.hpp>

namespace polyproc::inline v0 {

// A descriptor that becomes readable when one of the objects is ready.
class Listening {
 public:
  // Throws OsError.
  explicit Listening(std::vector<WatchedObject> objects);
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  ~Listening();

  // -1 in a child that was forked since.
  [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }
  // Makes it unreadable until one of the objects is ready: which may be at once.
  void listen_again();

 private:
  friend struct BellThreads;
  struct Group {  // those of one arena
    std::shared_ptr<ArenaCore> core;
    std::vector<WatchedObject> objects;
  };
  void tell() noexcept;

  std::vector<Group> groups_;
  os::Fd descriptor_;
  bool told_ = false;
};

// Ends the threads, where nobody listens, and waits for their end.
void end_bell_threads();

}  // namespace polyproc::inline v0
