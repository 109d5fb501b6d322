// SPDX-License-Identifier: MIT
#include <polyproc/process/transfer.hpp>

#include <fcntl.h>

#include <algorithm>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "process/function_token.hpp"

namespace polyproc::inline v0 {
namespace {

void add_once(std::vector<BlockRef>& blocks, const BlockRef& block) {
  if (std::find(blocks.begin(), blocks.end(), block) == blocks.end()) blocks.push_back(block);
}

// "/dev/shm/polyproc.orders" is the arena "orders".
std::string name_in_path(const std::string& path) {
  const std::string file = path.substr(path.rfind('/') + 1);
  return file.substr(file.find('.') + 1);
}

Arena open_named(const std::string& path, std::uint64_t id) {
  Arena arena = Arena::open(name_in_path(path));
  if (arena.id() == id) return arena;
  throw UsageError(
      fmt::format("receiving a shared object: {} is not the arena any more that holds it", path));
}

}  // namespace

void Encoder::write(std::span<const std::byte> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

void Encoder::write_block(const BlockRef& block) {
  block.require("handing over a shared object");
  if (named_in_ != nullptr) return write_count(named_in_->add_block(block));
  const Arena arena = block.arena();
  const bool family = arena == Arena::family();
  if (!family && !arena.core().region().on_file_system()) {
    throw UsageError(
        "starting by spawn: a shared object lies in an anonymous arena, which a new program cannot open; "
        "make it in "
        "the family's arena or in a named one");
  }
  const Handle handle = block.handle();
  write_text(family ? "" : arena.name());
  write(std::as_bytes(std::span(&handle, 1)));
  add_once(family ? family_ : named_, block);
}

void Encoder::write_function(const void* address) {
  const FunctionToken token = make_function_token(address);
  write_text(token.build_id);
  write_text(token.module);
  write_count(token.offset);
}

void Encoder::write_descriptor(int descriptor) {
  if (descriptor < 0)
    throw UsageError("handing over a descriptor to a process: it is closed; pass an open one");
  if (named_in_ != nullptr) return write_count(named_in_->add_descriptor(descriptor));
  auto place = std::find(descriptors_.begin(), descriptors_.end(), descriptor);
  if (place == descriptors_.end()) place = descriptors_.insert(place, descriptor);
  write_count(static_cast<std::uint64_t>(place - descriptors_.begin()));
}

std::span<const std::byte> Decoder::read(std::uint64_t count) {
  if (count > rest_.size()) {
    throw CorruptArena(
        fmt::format("reading the arguments of a process: {} bytes are missing; their types were written and "
                    "read differently",
                    count - rest_.size()));
  }
  const auto bytes = rest_.first(count);
  rest_ = rest_.subspan(count);
  return bytes;
}

std::uint64_t Decoder::read_count() {
  std::uint64_t count = 0;
  std::memcpy(&count, read(sizeof count).data(), sizeof count);
  return count;
}

std::uint64_t Decoder::read_length(std::uint64_t bytes_each) {
  const std::uint64_t count = read_count();
  if (bytes_each != 0 && count > rest_.size() / bytes_each)
    throw CorruptArena("reading the arguments of a process: a length is beyond the end");
  return count;
}

std::string_view Decoder::read_text() {
  const auto bytes = read(read_count());
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

BlockRef Decoder::read_block() {
  if (named_in_ != nullptr) return named_in_->block(read_count());
  const std::string path(read_text());
  Handle handle;
  std::memcpy(&handle, read(sizeof handle).data(), sizeof handle);
  const Arena arena = path.empty() ? Arena::family() : open_named(path, handle.arena);
  return BlockRef(arena.core().adopt(handle));
}

void* Decoder::read_function() {
  FunctionToken token;
  token.build_id = read_text();
  token.module = read_text();
  token.offset = read_count();
  return find_function(token);
}

// A copy: several arguments may name the same one.
os::Fd Decoder::read_descriptor() {
  const std::uint64_t place = read_count();
  if (named_in_ != nullptr) return named_in_->descriptor(place);
  if (place >= descriptors_.size())
    throw CorruptArena("reading the arguments of a process: a descriptor is missing");
  const int descriptor = descriptors_[place].get();
  return os::Fd(os::checked("fcntl", "a descriptor from the parent",
                            [&] { return ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0); }));
}

}  // namespace polyproc::inline v0
