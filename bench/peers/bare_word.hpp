// SPDX-License-Identifier: MIT
// One word of shared memory as a Channel for one message at a time: slept on with a bare futex, or watched without
// pause. What the machine itself needs for a round trip.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <memory>

#include "../channel.hpp"

namespace bench {

template <bool Sleeps>
class BareWordChannel {
  struct Word {
    alignas(64) std::atomic<std::uint32_t> full{0};
    std::atomic<Stamp> stamp{0};
  };

 public:
  explicit BareWordChannel(const Shape& /*shape*/) {}

  class Sender {
   public:
    explicit Sender(Word& word) : word_(word) {}
    void put(Stamp stamp) {
      word_.stamp.store(stamp, std::memory_order_relaxed);
      word_.full.store(1, std::memory_order_release);
      if constexpr (Sleeps) ::syscall(SYS_futex, &word_.full, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    }
    void end(bool /*last*/) { put(kEnd); }

   private:
    Word& word_;
  };

  class Receiver {
   public:
    explicit Receiver(Word& word) : word_(word) {}
    [[nodiscard]] Stamp get() {
      while (word_.full.load(std::memory_order_acquire) == 0) {
        if constexpr (Sleeps) ::syscall(SYS_futex, &word_.full, FUTEX_WAIT, 0, nullptr, nullptr, 0);
      }
      const Stamp stamp = word_.stamp.load(std::memory_order_relaxed);
      word_.full.store(0, std::memory_order_relaxed);
      return stamp;
    }
    [[nodiscard]] static std::uint32_t ends() noexcept { return 1; }

   private:
    Word& word_;
  };

  [[nodiscard]] Sender sender(std::uint32_t /*producer*/) { return Sender(*word_); }
  [[nodiscard]] Receiver receiver(std::uint32_t /*consumer*/) { return Receiver(*word_); }

 private:
  Shared<Word> word_;
};

}  // namespace bench
