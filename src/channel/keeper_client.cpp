// SPDX-License-Identifier: MIT
#include "channel/keeper_client.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "channel/keeper_start.hpp"
#include "os/fd_socket.hpp"

namespace polyproc::inline v0 {
namespace {

using os::PacketStatus;

// One keeper may be killed, and the next one too; what fails again and again is an error.
constexpr int kTries = 5;
// What asks for no wait, or a short one, still waits for the keeper's answer.
constexpr std::chrono::seconds kLeastWait{1};

struct Reply {
  KeeperAnswer answer;
  std::vector<os::Fd> descriptors;
  bool lost = false;  // this process has no room for them
};

template <class T>
iovec part_of(T& packet) noexcept {
  return {const_cast<std::remove_const_t<T>*>(&packet), sizeof packet};
}

PacketStatus hear(const LockFd& link, Reply& reply, Deadline deadline) {
  reply = {};
  const iovec room = part_of(reply.answer);
  os::ReceivedPacket packet;
  const auto status =
      os::receive_packet(link.get(), std::span(&room, 1), packet, reply.descriptors, deadline);
  reply.lost = packet.fds_lost;
  return status;
}

PacketStatus ask(const LockFd& link, const KeeperRequest& request, std::span<const int> descriptors,
                 Reply& reply, Deadline deadline) {
  const iovec question = part_of(request);
  const auto sent = os::send_packet(link.get(), std::span(&question, 1), descriptors, deadline);
  return sent == PacketStatus::done ? hear(link, reply, deadline) : sent;
}

PacketStatus store(const LockFd& link, const ParcelKey& key, std::span<const int> descriptors,
                   Deadline deadline, int& error) {
  KeeperRequest request{.act = KeeperAct::store, .parcel = key, .count = descriptors.size()};
  while (request.first < descriptors.size()) {
    const auto rest = descriptors.subspan(request.first);
    const auto some = rest.first(std::min(rest.size(), os::kMostFds));
    Reply reply;
    if (const auto status = ask(link, request, some, reply, deadline); status != PacketStatus::done)
      return status;
    error = reply.answer.error;
    if (error != 0) return PacketStatus::done;
    POLYPROC_FAIL_POINT("parcel.some_stored");
    request.first += some.size();
  }
  return PacketStatus::done;
}

[[noreturn]] void throw_refused(int error, std::size_t count, const std::string& arena) {
  const std::string why =
      error == EMFILE
          ? "the process that keeps them, polyproc-keeper, has no room for more; get items, or raise "
            "the hard limit RLIMIT_NOFILE; "
          : "";
  os::throw_os_error(
      error, fmt::format("putting an item with {} descriptors into a queue: {}keeping", count, why), arena);
}

[[noreturn]] void throw_lost(std::size_t count, const std::string& arena) {
  os::throw_os_error(
      ECONNRESET,
      fmt::format("getting an item with {} descriptors from a queue: the process that kept them, "
                  "polyproc-keeper, was killed, and they are lost; have them sent again; keeping",
                  count),
      arena);
}

// False when the keeper does not have them.
bool take(const LockFd& link, const ParcelKey& key, std::size_t count, std::vector<os::Fd>& all) {
  KeeperRequest request{.act = KeeperAct::take, .parcel = key};
  while (all.size() < count) {
    request.first = all.size();
    Reply reply;
    if (ask(link, request, {}, reply, Deadline::never()) != PacketStatus::done) return false;
    if (reply.lost || (reply.answer.error != 0 && reply.answer.error != ENOENT))
      os::throw_os_error(
          reply.lost ? EMFILE : reply.answer.error,
          fmt::format("getting an item with {} descriptors, which are lost: raise RLIMIT_NOFILE; "
                      "recvmsg",
                      count),
          "a queue");
    if (reply.answer.error != 0 || reply.descriptors.empty()) return false;
    std::move(reply.descriptors.begin(), reply.descriptors.end(), std::back_inserter(all));
    (void)hear(link, reply,
               Deadline::never());  // the keeper has none of them any more, in one way or another
  }
  return true;
}

}  // namespace

bool store_parcel(ArenaCore& core, const ParcelKey& key, std::span<const int> descriptors,
                  Deadline deadline) {
  const Deadline end = std::max(deadline, Deadline::after(kLeastWait));
  LockFd link = core.take_link();
  for (int tries = 0; tries < kTries; ++tries, link.close()) {
    if (!link) link = find_or_start_keeper(core);
    int error = 0;
    const auto status = store(link, key, descriptors, end, error);
    if (status == PacketStatus::gone) continue;
    if (status == PacketStatus::timed_out) return false;
    core.keep_link(std::move(link));
    if (error != 0) throw_refused(error, descriptors.size(), core.region().name());
    POLYPROC_FAIL_POINT("parcel.stored");
    return true;
  }
  throw_refused(ECONNRESET, descriptors.size(), core.region().name());
}

std::vector<os::Fd> take_parcel(ArenaCore& core, const ParcelKey& key, std::size_t count) {
  std::vector<os::Fd> all;
  // A connection from earlier may lead to a keeper that was killed since, and has a successor.
  LockFd link = core.take_link();
  bool taken = link && take(link, key, count, all);
  if (!taken && all.empty()) {
    link = find_keeper(core);
    taken = link && take(link, key, count, all);
  }
  if (!taken) throw_lost(count, core.region().name());
  core.keep_link(std::move(link));
  POLYPROC_FAIL_POINT("parcel.taken");
  return all;
}

void report_dropped_parcel(ArenaCore& core) noexcept {
  core.header().letters_gone.fetch_add(1);
  LockFd link = core.take_link();
  if (!link) return;
  const KeeperRequest request{.act = KeeperAct::look, .parcel = {}};
  const bool told = ::send(link.get(), &request, sizeof request, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
  if (told) core.keep_link(std::move(link));
}

}  // namespace polyproc::inline v0
