// SPDX-License-Identifier: MIT
// One thread, which sleeps until a packet comes; while it has descriptors it looks at the arena every 50 ms, too.
#include "channel/keeper.hpp"

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <limits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <polyproc/os/error.hpp>

#include "channel/keeper_protocol.hpp"
#include "channel/keeper_view.hpp"
#include "os/daemon.hpp"
#include "os/fd_socket.hpp"
#include "os/named_socket.hpp"

namespace polyproc::inline v0 {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kBetweenLooks{50};

struct KeyHash {
  std::size_t operator()(const ParcelKey& key) const noexcept { return key.generation; }
};

std::size_t descriptors_allowed() noexcept {
  rlimit limit{};
  const bool known = ::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return known ? limit.rlim_cur : std::numeric_limits<std::size_t>::max();
}

class Keeper {
 public:
  explicit Keeper(os::Kept kept)
      : listener_(std::move(kept.first)), arena_(std::move(kept.second)), spare_(::dup(listener_.get())) {}

  void run() {
    do {
      accept_all();
      if (clients_.empty() && parcels_.empty()) return;
    } while (serve_some());
  }

 private:
  using Parcel = std::vector<os::Fd>;

  // False when nobody is attached to the arena any more.
  bool serve_some() {
    std::vector<pollfd> ready{{listener_.get(), POLLIN, 0}};
    for (const os::Fd& client : clients_) ready.push_back({client.get(), POLLIN, 0});
    ::poll(ready.data(), ready.size(), until_next_look());
    bool look = !parcels_.empty() && Clock::now() >= next_look_;
    for (std::size_t i = 1; i < ready.size(); ++i) {
      if (ready[i].revents == 0 || serve(clients_[i - 1])) continue;
      clients_[i - 1].reset();
      look = true;
    }
    std::erase_if(clients_, [](const os::Fd& client) { return !client; });
    if (!look) return true;
    next_look_ = Clock::now() + kBetweenLooks;
    close_what_is_gone();
    return arena_.anybody_attached();
  }

  [[nodiscard]] int until_next_look() const {
    if (parcels_.empty()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_look_ - Clock::now());
    return static_cast<int>(std::max(left, std::chrono::milliseconds(0)).count());
  }

  void accept_all() {
    for (;;) {
      try {
        os::Fd client = os::accept_waiting(listener_.get());
        if (!client) return;
        if (os::peer_user(client.get()) == ::geteuid()) clients_.push_back(std::move(client));
      } catch (const OsError&) {
        if (!refuse_one()) return;
      }
    }
  }

  // No descriptor is left for a connection: it is not let wait for ever.
  bool refuse_one() {
    spare_.reset();
    try {
      const os::Fd refused = os::accept_waiting(listener_.get());
    } catch (const OsError&) {
    }
    spare_.reset(::dup(listener_.get()));
    return static_cast<bool>(spare_);
  }

  // False when the client is gone, or talks nonsense.
  bool serve(const os::Fd& client) {
    KeeperRequest request{};
    const iovec part{&request, sizeof request};
    os::ReceivedPacket packet;
    std::vector<os::Fd> fds;
    try {
      const auto status = os::receive_packet(client.get(), std::span(&part, 1), packet, fds, Deadline::now());
      if (status == os::PacketStatus::timed_out) return true;
      if (status == os::PacketStatus::gone || packet.size != sizeof request || packet.cut ||
          request.form != kKeeperForm)
        return false;
      switch (request.act) {
        case KeeperAct::store:
          return answer(client, store(request, std::move(fds), packet.fds_lost));
        case KeeperAct::take:
          return take(client, request);
        case KeeperAct::look:
          close_what_is_gone();
          return true;
      }
    } catch (const std::exception&) {
      // Of a client that cannot be served nothing is kept.
    }
    return false;
  }

  // An errno.
  int store(const KeeperRequest& request, Parcel fds, bool lost) {
    Parcel& parcel = parcels_[request.parcel];
    if (parcels_.size() == 1 && parcel.empty()) next_look_ = Clock::now() + kBetweenLooks;
    if (request.first == 0) set_aside(parcel);
    int error = 0;
    if (lost || held_ + fds.size() > most_)
      error = EMFILE;
    else if (request.first != parcel.size())
      error = EPROTO;
    else if (!arena_.exists(request.parcel))
      error = ESTALE;
    held_ += fds.size();
    std::move(fds.begin(), fds.end(), std::back_inserter(parcel));
    if (error != 0) forget(request.parcel);
    return error;
  }

  bool take(const os::Fd& client, const KeeperRequest& request) {
    const auto known = parcels_.find(request.parcel);
    if (known == parcels_.end() || request.first > known->second.size()) return answer(client, ENOENT);
    Parcel& parcel = known->second;
    const std::size_t end = std::min<std::size_t>(parcel.size(), request.first + os::kMostFds);
    std::vector<int> numbers;
    for (std::size_t i = request.first; i < end; ++i) numbers.push_back(parcel[i].get());
    if (!answer(client, 0, numbers)) return false;
    for (std::size_t i = request.first; i < end; ++i) {
      parcel[i].reset();
      --held_;
    }
    if (end == parcel.size()) parcels_.erase(known);
    return answer(client, 0);
  }

  // A client that does not take its answers is not waited for.
  static bool answer(const os::Fd& client, int error, std::span<const int> fds = {}) {
    KeeperAnswer what{.error = error, .count = static_cast<std::uint32_t>(fds.size())};
    const iovec part{&what, sizeof what};
    try {
      return os::send_packet(client.get(), std::span(&part, 1), fds, Deadline::now()) ==
             os::PacketStatus::done;
    } catch (const OsError& refused) {
      return fds.empty() ? false : answer(client, refused.code());
    }
  }

  void close_what_is_gone() {
    const std::uint64_t gone = arena_.letters_gone();
    if (gone == letters_gone_) return;
    letters_gone_ = gone;
    for (auto each = parcels_.begin(); each != parcels_.end();) {
      if (arena_.exists(each->first)) {
        ++each;
      } else {
        set_aside(each->second);
        each = parcels_.erase(each);
      }
    }
  }

  void set_aside(Parcel& parcel) {
    held_ -= static_cast<std::size_t>(std::count_if(
        parcel.begin(), parcel.end(), [](const os::Fd& each) { return static_cast<bool>(each); }));
    parcel.clear();
  }
  void forget(const ParcelKey& key) {
    set_aside(parcels_[key]);
    parcels_.erase(key);
  }

  os::Fd listener_;
  KeeperView arena_;
  os::Fd spare_;
  std::vector<os::Fd> clients_;
  std::unordered_map<ParcelKey, Parcel, KeyHash> parcels_;
  std::size_t held_ = 0;
  // The rest is for connections: who gets items must be able to connect.
  std::size_t most_ = descriptors_allowed() / 4 * 3;
  std::uint64_t letters_gone_ = 0;
  Clock::time_point next_look_ = Clock::now();
};

}  // namespace

void run_keeper(int listener, int file) noexcept {
  auto kept = os::become_daemon(kKeeperName, listener, file);
  if (!kept) ::_exit(EXIT_FAILURE);
  try {
    Keeper(std::move(*kept)).run();
  } catch (const std::exception&) {
    ::_exit(EXIT_FAILURE);  // no memory: its clients see that it is gone
  }
  ::_exit(0);
}

}  // namespace polyproc::inline v0
