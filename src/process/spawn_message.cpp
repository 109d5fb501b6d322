// SPDX-License-Identifier: MIT
#include "process/spawn_message.hpp"

#include <fcntl.h>

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {
namespace {

constexpr std::string_view kMarker = "--polyproc-child=";

}  // namespace

std::string SpawnCommand::to_argument() const {
  return fmt::format("{}{},{},{},{},{}", kMarker, arena_fd, identity, message.arena, message.offset,
                     message.generation);
}

std::optional<SpawnCommand> SpawnCommand::parse(const char* argument) {
  if (argument == nullptr || std::strncmp(argument, kMarker.data(), kMarker.size()) != 0) return std::nullopt;
  std::string_view rest = argument + kMarker.size();
  std::array<std::uint64_t, 5> numbers{};
  for (std::uint64_t& number : numbers) {
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (error != std::errc()) return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (rest.starts_with(',')) rest.remove_prefix(1);
  }
  return SpawnCommand{static_cast<int>(numbers[0]), numbers[1], {numbers[2], numbers[3], numbers[4]}};
}

void write_role(Encoder& out, const ChildRole& role) {
  out.write_text(role.name);
  out.write_text(role.path);
  out.write_count(role.daemon ? 1 : 0);
  out.write_count(role.worker ? 1 : 0);
  out.write_count(static_cast<std::uint64_t>(role.parent_pid));
  out.write_text(role.parent_name);
  out.write_text(to_string(role.default_method));
}

ChildRole read_role(Decoder& in) {
  ChildRole role;
  role.name = in.read_text();
  role.path = in.read_text();
  role.daemon = in.read_count() != 0;
  role.worker = in.read_count() != 0;
  role.parent_pid = static_cast<pid_t>(in.read_count());
  role.parent_name = in.read_text();
  role.default_method = parse_start_method(in.read_text());
  return role;
}

std::unique_ptr<ProcessTarget> read_target(Decoder& in) {
  const auto decode = reinterpret_cast<DecodeTarget>(in.read_function());
  return decode(in);
}

BlockRef make_message(const Encoder& call) {
  const auto bytes = call.bytes();
  auto block = BlockRef::create(Arena::family(), BlockKind::process_message, {}, bytes.size(), false);
  std::memcpy(block.data(), bytes.data(), bytes.size());
  return block;
}

std::vector<std::uint64_t> offsets_of(std::span<const BlockRef> blocks, const BlockRef& message) {
  std::vector<std::uint64_t> offsets{message.handle().offset};
  for (const BlockRef& block : blocks) offsets.push_back(block.handle().offset);
  return offsets;
}

os::Fd take_over(int fd) {
  os::checked("fcntl", "a descriptor from the parent", [&] { return ::fcntl(fd, F_SETFD, FD_CLOEXEC); });
  return os::Fd(fd);
}

}  // namespace polyproc::inline v0
