// SPDX-License-Identifier: MIT
// One connection of a client, from TLS and the challenges to its end. What is said on it is its peer's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "manager/event_loop.hpp"
#include "manager/peer.hpp"
#include "net/frame.hpp"
#include "net/handshake.hpp"
#include "net/shared_transport.hpp"

namespace polyproc::inline v0 {

class Session final : public EventLoop::Watcher, public Peer::Wire {
 public:
  using Ended = std::function<void(Session&)>;

  // `name`: for the log. `ended` is called once; the session is destroyed later, when nobody is inside.
  Session(ServerContext& context, std::unique_ptr<Transport> transport, const AuthKey& key, std::string name,
          Ended ended);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() override;

  // Challenges the client.
  void start();
  void ready(std::uint32_t events) override;
  bool look() override;
  [[nodiscard]] EventLoop::Clock::duration patience() const override { return patience_.most(); }
  bool rest() override;
  // Tells those who wait here that the server ends, and why; sends what can be sent at once.
  void say_farewell(std::string_view reason) noexcept;

  void send(std::span<const std::byte> message) override;
  void close() override;
  [[nodiscard]] int socket() const noexcept override { return transport_->fd(); }
  [[nodiscard]] bool offer_memory() override;
  void use_memory(bool taken) override;
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }

 private:
  enum class Stage : std::uint8_t { transport, handshake, open, closing, ended };

  // Whether anything has come.
  bool receive();
  void take_input();
  // Whether there is something to take that its descriptor does not show: read and not taken, or decrypted.
  [[nodiscard]] bool has_left() const;
  void take_left();
  void take_handshake(std::span<const std::byte> frame);
  void append(std::span<const std::byte> message);
  void flush();
  [[nodiscard]] std::size_t write_some(std::span<const std::byte> bytes);
  void watch();
  [[nodiscard]] bool wants_input() const noexcept;
  // Whether a message can be taken: what comes of the earlier ones is bounded.
  [[nodiscard]] bool takes_message() const noexcept;
  // Runs `body`; an exception of its ends the session.
  template <class Body>
  void guarded(Body body);
  void end(LogLevel level, std::string_view reason);

  ServerContext& context_;
  std::unique_ptr<Transport> transport_;
  std::string name_;
  Ended ended_;
  std::unique_ptr<Handshake> handshake_;
  std::optional<EventLoop::Timer> too_late_;
  std::unique_ptr<Peer> peer_;
  Stage stage_ = Stage::transport;
  FrameParser parser_;
  std::vector<std::byte> input_;  // what has come and is not parsed: the peer takes no more now
  std::vector<std::byte> output_;
  std::size_t sent_ = 0;  // of the output
  std::uint32_t watched_ = 0;
  bool is_inside_ = false;  // the output is sent when the input is done with

  // Of a client on this machine: memory that has been offered, and its file until that is sent along with what comes next.
  std::optional<SharedLanes> offered_;
  os::Fd to_pass_;
  LookingTime patience_;
  EventLoop::Clock::time_point last_input_;
  bool is_looked_at_ = false;
  bool is_resting_ = false;  // the client rings
};

}  // namespace polyproc::inline v0
