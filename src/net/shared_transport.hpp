// SPDX-License-Identifier: MIT
// A connection by way of memory that both of its ends share (shared_lanes.hpp). The socket that it began on carries bells alone, a
// byte for an end that sleeps; where it ends the other end has gone, whatever became of it.
#pragma once

#include <atomic>
#include <chrono>

#include "net/shared_lanes.hpp"
#include "net/transport.hpp"
#include "os/patience.hpp"

namespace polyproc::inline v0 {

class SharedTransport final : public Transport {
 public:
  enum class Side : std::uint8_t { server, client };
  SharedTransport(os::Fd socket, SharedLanes lanes, Side side) noexcept;

  // One thread may read while another one writes.
  [[nodiscard]] std::optional<std::size_t> read(std::span<std::byte> room, Deadline deadline) override;
  [[nodiscard]] bool write(std::span<const iovec> parts, Deadline deadline) override;
  [[nodiscard]] std::size_t write_some(std::span<const std::byte> bytes) override;
  [[nodiscard]] bool holds_input() const override { return in_.holds_input(); }
  [[nodiscard]] bool wait(bool for_input, bool for_room, Deadline deadline) override;
  [[nodiscard]] bool passes_descriptors() const override { return false; }
  [[nodiscard]] bool is_shared() const noexcept override { return true; }
  [[nodiscard]] bool rest() override { return in_.rest(); }
  [[nodiscard]] bool take_bells() override;

 private:
  void ring();

  SharedLanes lanes_;
  LaneReader in_;
  LaneWriter out_;
  LookingTime patience_;
  Offering offering_;
  std::atomic<bool> at_end_{false};
};

}  // namespace polyproc::inline v0
