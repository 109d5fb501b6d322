// SPDX-License-Identifier: MIT
#include "channel/kept_tails.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {
namespace {

constexpr const char* kWhat = "the memory of a long message";

LockFd make_file() {
  LockFd file = LockFd::open([] {
    return os::Fd(os::checked("memfd_create", kWhat, [] {
      return ::memfd_create("polyproc.message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }));
  });
  os::checked("ftruncate", kWhat, [&] { return ::ftruncate(file.get(), off_t{kKeptFile}); });
  os::checked("fcntl", kWhat, [&] { return ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW); });
  return file;
}

bool is_kept_tail(int tail) {
  struct stat file {};
  const int seals = ::fcntl(tail, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && ::fstat(tail, &file) == 0 &&
         file.st_size == off_t{kKeptFile};
}

}  // namespace

TailMapping::TailMapping(int tail) noexcept {
  void* base = ::mmap(nullptr, kKeptFile, PROT_READ | PROT_WRITE, MAP_SHARED, tail, 0);
  if (base != MAP_FAILED) base_ = static_cast<std::byte*>(base);
}
TailMapping::~TailMapping() {
  if (base_ != nullptr) ::munmap(base_, kKeptFile);
}

// A child's descriptors were closed when it was forked; the numbers may be others' by now.
KeptTails::~KeptTails() {
  if (owner_ == ::getpid()) return;
  for (Sent& tail : sent_) tail.file.forget_parents();
}

KeptTails::Sent& KeptTails::choose() {
  for (Sent& tail : sent_) {
    if (!tail.mapping || tail.mapping.state().load(std::memory_order_acquire) == TailState::free) return tail;
  }
  Sent& oldest = sent_[next_sent_++ % kMost];
  oldest = {};
  return oldest;
}

KeptTails::Sent* KeptTails::find_free(std::size_t bytes) {
  if (owner_ != 0 && owner_ != ::getpid()) return nullptr;
  owner_ = ::getpid();
  Sent& tail = choose();
  if (!tail.mapping) {
    LockFd file = make_file();
    TailMapping mapping(file.get());
    if (!mapping) return nullptr;
    tail = {.file = std::move(file), .mapping = std::move(mapping), .allocated = 0};
  }
  // Asked for beforehand: what is not there would end the process when it is written.
  const std::size_t need = sizeof(TailHead) + bytes;
  if (need > tail.allocated) {
    os::checked("fallocate", kWhat, [&] {
      return ::fallocate(tail.file.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(need));
    });
    tail.allocated = need;
  }
  return &tail;
}

const TailMapping* KeptTails::find_mapping(int tail) {
  const auto file = os::file_id(tail);
  if (!file) return nullptr;
  for (const Received& known : received_) {
    if (known.mapping && known.file == *file) return &known.mapping;
  }
  if (!is_kept_tail(tail)) return nullptr;
  TailMapping mapping(tail);
  if (!mapping) return nullptr;
  Received& oldest = received_[next_received_++ % kMost];
  oldest = {.file = *file, .mapping = std::move(mapping)};
  return &oldest.mapping;
}

}  // namespace polyproc::inline v0
