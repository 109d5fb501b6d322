// SPDX-License-Identifier: MIT
#include "net/shared_lanes.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "os/futex.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr const char* kWhat = "a connection's shared memory";
constexpr std::size_t kHeadBytes = 4096;
constexpr std::size_t kAllBytes = kHeadBytes + 2 * SharedLanes::kCapacity;
static_assert(2 * sizeof(Lane) <= kHeadBytes);
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;  // nobody can change the size

// The two parts of `count` bytes of a ring from `position` on.
template <class Copy>
void for_both_parts(std::uint64_t position, std::size_t count, Copy copy) {
  const std::size_t at = position % SharedLanes::kCapacity;
  const std::size_t first = std::min(count, SharedLanes::kCapacity - at);
  copy(at, std::size_t{0}, first);
  if (count != first) copy(std::size_t{0}, first, count - first);
}

[[noreturn]] void throw_damaged() {
  throw Error("the memory shared with the other end of a connection holds a count that cannot be");
}

}  // namespace

os::Fd SharedLanes::make() {
  os::Fd file(os::checked("memfd_create", kWhat, [] {
    return ::memfd_create("polyproc.connection", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  }));
  os::checked("ftruncate", kWhat, [&] { return ::ftruncate(file.get(), kAllBytes); });
  os::checked("fcntl F_ADD_SEALS", kWhat, [&] { return ::fcntl(file.get(), F_ADD_SEALS, kSeals); });
  return file;
}

SharedLanes SharedLanes::attach(const os::Fd& file) {
  const int seals = os::checked("fcntl F_GET_SEALS", kWhat, [&] { return ::fcntl(file.get(), F_GET_SEALS); });
  if ((seals & kSeals) != kSeals) os::throw_os_error(EPERM, "attach", kWhat);
  struct stat status {};
  os::checked("fstat", kWhat, [&] { return ::fstat(file.get(), &status); });
  if (static_cast<std::uint64_t>(status.st_size) != kAllBytes) os::throw_os_error(EINVAL, "attach", kWhat);
  void* const base = ::mmap(nullptr, kAllBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (base == MAP_FAILED) os::throw_os_error(errno, "mmap", kWhat);
  return SharedLanes(static_cast<std::byte*>(base));
}

SharedLanes::SharedLanes(SharedLanes&& other) noexcept : base_(std::exchange(other.base_, nullptr)) {}
SharedLanes::~SharedLanes() {
  if (base_ != nullptr) ::munmap(base_, kAllBytes);
}

Lane& SharedLanes::lane(int index) const noexcept { return reinterpret_cast<Lane*>(base_)[index]; }
std::span<std::byte, SharedLanes::kCapacity> SharedLanes::bytes(int index) const noexcept {
  return std::span<std::byte, kCapacity>(base_ + kHeadBytes + static_cast<std::size_t>(index) * kCapacity,
                                         kCapacity);
}

std::size_t LaneWriter::room() {
  const std::uint64_t taken = lane_.taken.load();
  if (taken - seen_taken_ > written_ - seen_taken_) throw_damaged();
  seen_taken_ = taken;
  return SharedLanes::kCapacity - (written_ - seen_taken_);
}

std::size_t LaneWriter::write(std::span<const std::byte> from) {
  std::size_t free = SharedLanes::kCapacity - (written_ - seen_taken_);
  if (free < from.size()) free = room();
  const std::size_t count = std::min(free, from.size());
  if (count == 0) return 0;
  for_both_parts(written_, count, [&](std::size_t at, std::size_t begin, std::size_t part) {
    std::memcpy(bytes_.data() + at, from.data() + begin, part);
  });
  POLYPROC_FAIL_POINT("lane.write.copied");
  written_ += count;
  lane_.written.store(written_);
  POLYPROC_FAIL_POINT("lane.write.published");
  return count;
}

bool LaneWriter::rest() {
  lane_.writer_sleeps.store(1);
  if (!has_room()) return true;
  lane_.writer_sleeps.store(0);
  return false;
}

bool LaneWriter::reader_sleeps() noexcept {
  return lane_.reader_sleeps.load() != 0 && lane_.reader_sleeps.exchange(0) != 0;
}

void LaneWriter::sleep(std::chrono::nanoseconds most) const noexcept {
  os::futex_wait(lane_.writer_sleeps, 1, most);
}

std::size_t LaneReader::read(std::span<std::byte> to) {
  const std::uint64_t there = lane_.written.load() - taken_;
  if (there > SharedLanes::kCapacity) throw_damaged();
  const std::size_t count = std::min<std::size_t>(there, to.size());
  if (count == 0) return 0;
  for_both_parts(taken_, count, [&](std::size_t at, std::size_t begin, std::size_t part) {
    std::memcpy(to.data() + begin, bytes_.data() + at, part);
  });
  POLYPROC_FAIL_POINT("lane.read.copied");
  taken_ += count;
  lane_.taken.store(taken_);
  return count;
}

bool LaneReader::rest() noexcept {
  lane_.reader_sleeps.store(1);
  if (lane_.written.load() == taken_) return true;
  wake();
  return false;
}

// Only once half of the lane is free; all of it will be, since what is there is read.
bool LaneReader::writer_sleeps() noexcept {
  if (lane_.writer_sleeps.load() == 0 || lane_.written.load() - taken_ > SharedLanes::kCapacity / 2 ||
      lane_.writer_sleeps.exchange(0) == 0)
    return false;
  os::futex_wake(lane_.writer_sleeps, std::numeric_limits<int>::max());
  return true;
}

}  // namespace polyproc::inline v0
