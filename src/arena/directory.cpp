// SPDX-License-Identifier: MIT
// Objects by name: a linked list of nodes in the arena, each holding one reference to its object.
#include <cstring>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "arena/block_heap.hpp"

namespace polyproc::inline v0 {
namespace {

struct DirectoryNode {
  std::uint64_t next;
  std::uint64_t object;
  std::uint64_t length;  // of the name, which follows
};

DirectoryNode& node_at(const Region& region, std::uint64_t offset) {
  return region.at<DirectoryNode>(offset + kBlockHeaderBytes);
}

std::string_view name_of(const Region& region, std::uint64_t offset) {
  const std::uint64_t length = node_at(region, offset).length;
  const std::byte* text = region.bytes(offset + kBlockHeaderBytes + sizeof(DirectoryNode), length);
  return {reinterpret_cast<const char*>(text), length};
}

// The word that names the node called `name`, or the last, empty one.
std::uint64_t& link_to(Transaction& section, std::string_view name) {
  std::uint64_t* link = &section.header().directory;
  while (*link != 0 && name_of(section.region(), *link) != name)
    link = &node_at(section.region(), *link).next;
  return *link;
}

void check_object_name(std::string_view name) {
  if (name.empty()) throw InvalidArgument("naming a shared object: the name is empty");
}

// A node that is not linked yet, this process's own: however long its name is, nobody waits while it is made.
std::uint64_t make_node(ArenaCore& core, Entry* entry, std::string_view name, std::uint64_t object) {
  const std::uint64_t bytes = sizeof(DirectoryNode) + name.size();
  const std::uint64_t block = core.create_in(entry, BlockKind::directory_node, {}, bytes, false);
  auto& node = node_at(core.region(), block);
  node = {0, object, name.size()};
  std::memcpy(&node + 1, name.data(), name.size());
  return block;
}

// The node becomes the directory's; false when its name is taken.
bool link_node(ArenaCore& core, Entry* entry, std::string_view name, std::uint64_t block) {
  Transaction section(core);
  if (link_to(section, name) != 0) return false;
  DirectoryNode& node = node_at(section.region(), block);
  node.next = section.header().directory;
  BlockHeader& held = BlockHeap::header(section.region(), node.object);
  section.set(held.state, held.state.load(std::memory_order_relaxed) + 1);
  section.set(section.header().directory, block);
  section.set(entry->block, 0);
  section.commit();
  return true;
}

// Removes the node called `name`; the reference that it had is in `entry` then.
bool take_node(ArenaCore& core, std::string_view name, Entry* entry) {
  Transaction section(core);
  std::uint64_t& link = link_to(section, name);
  const std::uint64_t node = link;
  if (node == 0) return false;
  section.set(entry->block, node_at(section.region(), node).object);
  section.set(link, node_at(section.region(), node).next);
  BlockHeap(section).free(node);
  section.commit();
  return true;
}

}  // namespace

std::optional<BlockRef> Arena::find(std::string_view name) const {
  check_object_name(name);
  Handle handle{.arena = id()};
  {
    Transaction section(*core_);
    const std::uint64_t node = link_to(section, name);
    if (node == 0) return std::nullopt;
    handle.offset = node_at(section.region(), node).object;
    handle.generation = BlockHeap::header(section.region(), handle.offset).generation.load();
  }
  try {
    return BlockRef(core_->adopt(handle));
  } catch (const UsageError&) {
    return std::nullopt;  // withdrawn in between
  }
}

void Arena::publish(std::string_view name, const BlockRef& object) const {
  check_object_name(name);
  object.require("publishing a shared object");
  if (object.handle().arena != id()) {
    throw InvalidArgument(
        fmt::format("publishing '{}' in {}: the object lies in another arena", name, this->name()));
  }
  Entry* entry = core_->claim_entry();
  std::uint64_t node = 0;
  try {
    node = make_node(*core_, entry, name, object.handle().offset);
  } catch (...) {
    core_->return_entry(entry);
    throw;
  }
  if (link_node(*core_, entry, name, node)) return core_->return_entry(entry);
  core_->release_entry(entry);
  os::throw_os_error(EEXIST, "publishing", fmt::format("object '{}'", name));
}

bool Arena::withdraw(std::string_view name) const {
  check_object_name(name);
  Entry* entry = core_->claim_entry();
  const bool found = take_node(*core_, name, entry);
  if (found)
    core_->release_entry(entry);
  else
    core_->return_entry(entry);
  return found;
}

std::vector<std::string> Arena::names() const {
  std::vector<std::string> all;
  Transaction section(*core_);
  for (std::uint64_t node = section.header().directory; node != 0;
       node = node_at(section.region(), node).next) {
    all.emplace_back(name_of(section.region(), node));
  }
  return all;
}

BlockRef Arena::find_or_publish(std::string_view name, const std::function<BlockRef()>& make) const {
  for (;;) {
    if (auto found = find(name)) return *found;
    BlockRef made = make();
    try {
      publish(name, made);
      return made;
    } catch (const OsError& error) {
      if (error.code() != EEXIST) throw;  // somebody was faster: take theirs
    }
  }
}

}  // namespace polyproc::inline v0
