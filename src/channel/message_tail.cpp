// SPDX-License-Identifier: MIT
#include "channel/message_tail.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>
#include <polyproc/codec/decode_error.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>

#include "os/memory.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr const char* kWhat = "the memory of a long message";
constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;  // the kernel takes less than 2 GiB in one call
constexpr std::size_t kWorthAsking = std::size_t{16} << 20;

// Memory of this kind has no bound of its own: what the machine does not have would end a process.
void require_room(std::size_t size) {
  if (size > os::file_size_limit()) os::throw_os_error(EFBIG, "making", kWhat);
  if (size >= kWorthAsking && size > os::available_memory()) os::throw_os_error(ENOMEM, "making", kWhat);
}

}  // namespace

LockFd store_tail(std::span<const std::byte> bytes) {
  require_room(bytes.size());
  LockFd tail = LockFd::open([] {
    return os::Fd(
        os::checked("memfd_create", kWhat, [] { return ::memfd_create("polyproc.message", MFD_CLOEXEC); }));
  });
  while (!bytes.empty()) {
    const auto written = os::checked("write", kWhat, [&] {
      return ::write(tail.get(), bytes.data(), std::min(bytes.size(), kMostAtOnce));
    });
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    POLYPROC_FAIL_POINT("connection.tail_written");
  }
  return tail;
}

void check_tail(const os::Fd& tail, std::uint64_t size) {
  struct stat file {};
  if (::fstat(tail.get(), &file) == 0 && S_ISREG(file.st_mode) &&
      static_cast<std::uint64_t>(file.st_size) == size)
    return;
  throw DecodeError(
      fmt::format("a message says that {} more bytes came along, and its memory has others", size), 0);
}

void take_tail(const os::Fd& tail, std::span<std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto read = os::checked("read", kWhat, [&] {
      return ::pread(tail.get(), bytes.data() + done, std::min(bytes.size() - done, kMostAtOnce),
                     static_cast<off_t>(done));
    });
    if (read == 0) throw DecodeError("the memory of a long message has shrunk while it was read", done);
    done += static_cast<std::size_t>(read);
    POLYPROC_FAIL_POINT("connection.tail_read");
  }
  os::checked("ftruncate", kWhat, [&] { return ::ftruncate(tail.get(), 0); });
}

}  // namespace polyproc::inline v0
