// SPDX-License-Identifier: MIT
#include "process/spawn_message.hpp"

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

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
  out.write_count(static_cast<std::uint64_t>(role.parent_pid));
  out.write_text(role.parent_name);
  out.write_text(to_string(role.default_method));
}

ChildRole read_role(Decoder& in) {
  ChildRole role;
  role.name = in.read_text();
  role.path = in.read_text();
  role.daemon = in.read_count() != 0;
  role.parent_pid = static_cast<pid_t>(in.read_count());
  role.parent_name = in.read_text();
  role.default_method = parse_start_method(in.read_text());
  return role;
}

}  // namespace polyproc::inline v0
