// SPDX-License-Identifier: MIT
#include "manager/client_process.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <optional>
#include <utility>

#include "os/pidfd.hpp"

#ifndef SO_PEERPIDFD  // Linux 6.5
#define SO_PEERPIDFD 77
#endif

namespace polyproc::inline v0 {
namespace {

// 0 where it cannot be known.
pid_t pid_behind(int socket) noexcept {
  ucred peer{};
  socklen_t size = sizeof peer;
  int domain = 0;
  socklen_t domain_size = sizeof domain;
  if (::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size) != 0 || domain != AF_UNIX) return 0;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

// Of the very process that connected, where the kernel is so new; nothing when it has ended.
std::optional<os::Fd> open_process_behind(int socket, pid_t pid) {
  int fd = -1;
  socklen_t size = sizeof fd;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0) return os::Fd(fd);
  return os::open_pidfd(pid);
}

}  // namespace

class ClientProcesses::Process final : public EventLoop::Watcher {
 public:
  Process(ClientProcesses& all, pid_t pid, os::Fd pidfd) : all_(all), pid_(pid), pidfd_(std::move(pidfd)) {
    all_.loop_.add(pidfd_.get(), EPOLLIN, *this);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() override {
    all_.loop_.remove(pidfd_.get());
    for (const auto& [object, count] : references_)
      for (std::uint64_t i = 0; i < count; ++i) all_.objects_.decrease(object);
    for (const HeldLock& each : locks_) each.release();
  }

  void ready(std::uint32_t) override {
    ClientProcesses& all = all_;
    all.end(pid_);  // and this with it
    all.objects_.drop_ended();
  }
  [[nodiscard]] bool has_ended() const noexcept {
    pollfd poll{pidfd_.get(), POLLIN, 0};
    return ::poll(&poll, 1, 0) == 1;
  }
  void took(std::uint64_t object) { ++references_[object]; }
  void holds(const std::vector<HeldLock>& locks) {
    std::erase_if(locks_, [](const HeldLock& each) { return !each.is_held(); });
    locks_.insert(locks_.end(), locks.begin(), locks.end());
  }
  // Whether it is still to be watched.
  bool gave(std::uint64_t object) noexcept {
    const auto found = references_.find(object);
    if (found != references_.end() && --found->second == 0) references_.erase(found);
    return !references_.empty() || !locks_.empty();
  }

 private:
  ClientProcesses& all_;
  pid_t pid_;
  os::Fd pidfd_;
  std::unordered_map<std::uint64_t, std::uint64_t> references_;
  std::vector<HeldLock> locks_;  // and of those that others have released meanwhile some
};

ClientProcesses::ClientProcesses(EventLoop& loop, ObjectTable& objects) : loop_(loop), objects_(objects) {}
ClientProcesses::~ClientProcesses() = default;

// Not one that had the number before.
ClientProcesses::Process* ClientProcesses::find(pid_t pid) {
  const auto found = processes_.find(pid);
  if (found == processes_.end()) return nullptr;
  if (!found->second->has_ended()) return found->second.get();
  end(pid);
  return nullptr;
}

void ClientProcesses::end(pid_t pid) noexcept { processes_.erase(pid); }

ClientProcesses::Process* ClientProcesses::find_or_watch(int socket, pid_t pid) {
  if (Process* const known = find(pid)) return known;
  auto pidfd = open_process_behind(socket, pid);
  if (!pidfd) return nullptr;
  auto process = std::make_unique<Process>(*this, pid, std::move(*pidfd));
  return processes_.emplace(pid, std::move(process)).first->second.get();
}

void ClientProcesses::took(int socket, std::uint64_t object) {
  const pid_t pid = pid_behind(socket);
  if (pid == 0) return;
  try {
    Process* const process = find_or_watch(socket, pid);
    if (process == nullptr) return objects_.decrease(object);
    process->took(object);
  } catch (...) {
    objects_.decrease(object);
    throw;
  }
}

void ClientProcesses::holds(int socket, std::vector<HeldLock> locks) {
  if (locks.empty()) return;
  const auto release = [&] {
    for (const HeldLock& each : locks) each.release();
  };
  const pid_t pid = pid_behind(socket);
  if (pid == 0) return release();
  try {
    Process* const process = find_or_watch(socket, pid);
    if (process == nullptr) return release();
    process->holds(locks);
  } catch (...) {
    release();
    throw;
  }
}

void ClientProcesses::gave(int socket, std::uint64_t object) noexcept {
  const auto found = processes_.find(pid_behind(socket));
  if (found != processes_.end() && !found->second->gave(object)) processes_.erase(found);
}

}  // namespace polyproc::inline v0
