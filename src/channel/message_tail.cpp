// SPDX-License-Identifier: MIT
#include "channel/message_tail.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

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

LockFd make_tail() {
  return LockFd::open([] {
    return os::Fd(
        os::checked("memfd_create", kWhat, [] { return ::memfd_create("polyproc.message", MFD_CLOEXEC); }));
  });
}

void write_tail(int tail, std::span<const std::byte> bytes) {
  TailHead head{.state = TailState::to_be_emptied, .unused = {}};
  std::array<iovec, 2> parts{iovec{&head, sizeof head}};
  for (off_t at = 0; !bytes.empty() || at == 0;) {
    const std::size_t most = std::min(bytes.size(), kMostAtOnce);
    parts[1] = {const_cast<std::byte*>(bytes.data()), most};
    const auto written = os::checked("write", kWhat, [&] {
      return at == 0 ? ::pwritev(tail, parts.data(), 2, at) : ::pwrite(tail, bytes.data(), most, at);
    });
    const std::size_t before = at == 0 ? sizeof head : 0;
    if (static_cast<std::size_t>(written) < before) os::throw_os_error(EIO, "write", kWhat);
    bytes = bytes.subspan(static_cast<std::size_t>(written) - before);
    at += written;
    POLYPROC_FAIL_POINT("connection.tail_written");
  }
}

// By read, not through a mapping: memory that another process cuts off is then an error and no signal.
void read_tail(const os::Fd& tail, std::span<std::byte> bytes) {
  TailHead head{};
  std::array<iovec, 2> parts{iovec{&head, sizeof head}};
  for (std::size_t at = 0, done = 0; done < bytes.size(); done = at - sizeof head) {
    const std::size_t most = std::min(bytes.size() - done, kMostAtOnce);
    parts[1] = {bytes.data() + done, most};
    const auto read = os::checked("read", kWhat, [&] {
      return at == 0 ? ::preadv(tail.get(), parts.data(), 2, 0)
                     : ::pread(tail.get(), bytes.data() + done, most, static_cast<off_t>(at));
    });
    at += static_cast<std::size_t>(read);
    if (read == 0 || at < sizeof head)
      throw DecodeError("the memory of a long message has shrunk while it was read", done);
    POLYPROC_FAIL_POINT("connection.tail_read");
  }
  if (head.state == TailState::to_be_emptied) {
    os::checked("ftruncate", kWhat, [&] { return ::ftruncate(tail.get(), 0); });
  } else if (head.state == TailState::to_be_kept) {
    const TailState state = TailState::free;
    os::checked("write", kWhat, [&] { return ::pwrite(tail.get(), &state, sizeof state, 0); });
  } else {
    throw DecodeError("a message came with memory that its sender did not send", 0);
  }
}

}  // namespace

StoredTail::StoredTail(KeptTails& tails, std::span<const std::byte> bytes) {
  require_room(bytes.size());
  if (bytes.size() <= kMostKept && taking_.emplace(tails.sending)) kept_ = tails.find_free(bytes.size());
  if (kept_ != nullptr) {
    std::memcpy(kept_->mapping.bytes(), bytes.data(), bytes.size());
    kept_->mapping.state().store(TailState::to_be_kept, std::memory_order_release);
    POLYPROC_FAIL_POINT("connection.tail_written");
  } else {
    own_ = make_tail();
    write_tail(own_.get(), bytes);
  }
}

StoredTail::~StoredTail() {
  if (kept_ != nullptr && !sent_) kept_->mapping.state().store(TailState::free, std::memory_order_release);
}

void check_tail(const os::Fd& tail, std::uint64_t size) {
  struct stat file {};
  if (::fstat(tail.get(), &file) == 0 && S_ISREG(file.st_mode) && file.st_size >= off_t{sizeof(TailHead)} &&
      static_cast<std::uint64_t>(file.st_size) - sizeof(TailHead) >= size)
    return;
  throw DecodeError(
      fmt::format("a message says that {} more bytes came along, and its memory has fewer", size), 0);
}

void take_tail(KeptTails& tails, const os::Fd& tail, std::span<std::byte> bytes) {
  if (bytes.size() <= kMostKept) {
    const Taking taking(tails.receiving);
    const TailMapping* mapping = taking ? tails.find_mapping(tail.get()) : nullptr;
    if (mapping != nullptr && mapping->state().load(std::memory_order_acquire) == TailState::to_be_kept) {
      std::memcpy(bytes.data(), mapping->bytes(), bytes.size());
      POLYPROC_FAIL_POINT("connection.tail_read");
      return mapping->state().store(TailState::free, std::memory_order_release);
    }
  }
  read_tail(tail, bytes);
}

}  // namespace polyproc::inline v0
