// SPDX-License-Identifier: MIT
// Waitable: what wait() can wait for. A descriptor, or an object in shared memory that tells when it is ready.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>

#include <polyproc/os/config.hpp>
#include <polyproc/os/fd.hpp>

namespace polyproc::inline v0 {

class ArenaCore;

// An object in shared memory: how to see that it is ready, and where to leave word that somebody waits for it.
struct WatchedObject {
  ArenaCore* core;
  std::atomic<std::uint32_t>* sleepers;
  std::atomic<std::uint64_t>* watchers;
  bool (*ready)(const void* state) noexcept;
  const void* state;
  // Where the dead may have what makes it ready: takes it back, noexcept; now and then only, but at the caller's last look.
  void (*settle)(ArenaCore& core, const void* state, bool is_last_look) noexcept = nullptr;
};

// Refers to what it is made from, which must outlive it:
//   Queue, SimpleQueue, JoinableQueue   ready when get would not wait
//   Event                               while it is set
//   Semaphore, BoundedSemaphore         while there are permits
//   Connection                          when recv would not wait: a message, or the other end is gone
//   Process, ChildProcess               when it has ended
//   a descriptor                        when it is readable, broken, or its other side is gone
// and any other class with a waitable(), sentinel() or fileno().
class POLYPROC_API Waitable {
 public:
  template <class D>
  requires std::same_as<D, int> Waitable(D descriptor)
  noexcept : descriptor_(descriptor) {}
  Waitable(const os::Fd& descriptor) noexcept : descriptor_(descriptor.get()) {}
  explicit Waitable(const WatchedObject& object) noexcept : object_(object) {}

  template <class W>
  requires requires(const W& w) {
    { w.waitable() } -> std::same_as<Waitable>;
  }
  Waitable(const W& w) : Waitable(w.waitable()) {}
  template <class W>
  requires requires(const W& w) {
    { w.sentinel() } -> std::same_as<int>;
  }
  Waitable(const W& w) : descriptor_(w.sentinel()) {}
  template <class W>
  requires requires(const W& w) {
    { w.fileno() } -> std::same_as<int>;
  }
  Waitable(const W& w) : descriptor_(w.fileno()) {}

  // -1 for an object in shared memory.
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] bool is_shared() const noexcept { return object_.core != nullptr; }
  [[nodiscard]] const WatchedObject& object() const noexcept { return object_; }

 private:
  int descriptor_ = -1;
  WatchedObject object_{};
};

}  // namespace polyproc::inline v0
