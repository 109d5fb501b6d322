// SPDX-License-Identifier: MIT
#include "channel/travelling.hpp"

#include <unistd.h>

#include <array>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>

#include "arena/fork.hpp"

namespace polyproc::inline v0 {
namespace {

void recover_quietly(ArenaCore& core, std::uint64_t holder) noexcept {
  try {
    core.recover(holder);
  } catch (const std::exception&) {
    // Found again by the next recovery of the arena.
  }
}

// The file of an arena, by a descriptor of it: "/dev/shm/polyproc.orders" is the arena "orders".
std::string name_behind(const os::Fd& claim) {
  std::array<char, 512> path{};
  const std::string link = fmt::format("/proc/self/fd/{}", claim.get());
  if (::readlink(link.c_str(), path.data(), path.size() - 1) <= 0) return {};
  const std::string_view file(path.data());
  const std::size_t name = file.find("polyproc.", file.rfind('/') + 1);
  return name == std::string_view::npos ? std::string()
                                        : std::string(file.substr(name + std::strlen("polyproc.")));
}

std::shared_ptr<ArenaCore> attach(std::uint64_t arena, std::span<const os::Fd> claims) {
  if (auto core = find_core_of_arena(arena)) return core;
  for (const os::Fd& claim : claims) {
    const std::string name = name_behind(claim);
    if (name.empty()) continue;
    if (const Arena opened = Arena::open(name); opened.id() == arena) return opened.core().shared_from_this();
  }
  throw UsageError(
      "receiving a shared object: its arena is not attached here, and cannot be opened by name; only "
      "processes of one family share the family's arena");
}

}  // namespace

Escrows::Escrows(std::span<const BlockRef> blocks) {
  for (const BlockRef& block : blocks) references_.push_back({block.handle(), holder_for(block, blocks)});
}

std::uint64_t Escrows::holder_for(const BlockRef& block, std::span<const BlockRef> all) {
  ArenaCore& core = block.core();
  for (const Place& place : places_)
    if (place.core == &core) return place.held.identity;
  std::vector<std::uint64_t> offsets;
  for (const BlockRef& each : all)
    if (&each.core() == &core) offsets.push_back(each.handle().offset);
  return places_.emplace_back(Place{&core, core.prepare_escrow(offsets)}).held.identity;
}

Escrows::~Escrows() {
  for (Place& place : places_) {
    place.held.claim.close();
    recover_quietly(*place.core, place.held.identity);
  }
}

void Escrows::append_claims(std::vector<int>& descriptors) const {
  for (const Place& place : places_) descriptors.push_back(place.held.claim.get());
}

BlockRef adopt_travelling(const TravellingReference& reference, std::span<const os::Fd> claims) {
  return BlockRef(attach(reference.object.arena, claims)->adopt(reference.object));
}

void return_travelling(std::span<const TravellingReference> references) noexcept {
  std::uint64_t last = 0;
  for (const TravellingReference& reference : references) {
    if (std::exchange(last, reference.holder) == reference.holder) continue;
    if (const auto core = find_core_of_arena(reference.object.arena))
      recover_quietly(*core, reference.holder);
  }
}

}  // namespace polyproc::inline v0
