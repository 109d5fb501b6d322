// SPDX-License-Identifier: MIT
#include <polyproc/arena/block_ref.hpp>

#include <fmt/format.h>
#include <polyproc/arena/arena.hpp>
#include <polyproc/os/error.hpp>

#include "arena/arena_core.hpp"
#include "arena/block_heap.hpp"
#include "arena/fork.hpp"

namespace polyproc::inline v0 {
namespace {

std::string_view word_for(BlockKind kind) {
  switch (kind) {
    case BlockKind::bytes:
      return "bytes";
    case BlockKind::directory_node:
      return "directory node";
    case BlockKind::value:
      return "Value";
    case BlockKind::array:
      return "Array";
    case BlockKind::lock:
      return "Lock";
    case BlockKind::rlock:
      return "RLock";
    case BlockKind::queue:
      return "Queue";
    case BlockKind::simple_queue:
      return "SimpleQueue";
    case BlockKind::joinable_queue:
      return "JoinableQueue";
    case BlockKind::queue_ring:
      return "queue ring";
    case BlockKind::queue_message:
      return "queue message";
    case BlockKind::queue_open_items:
      return "open items of a queue";
    case BlockKind::queue_letter:
      return "queue message with references";
    case BlockKind::process_message:
      return "process message";
    case BlockKind::event:
      return "Event";
    case BlockKind::semaphore:
      return "Semaphore";
    case BlockKind::condition:
      return "Condition";
    case BlockKind::barrier:
      return "Barrier";
    case BlockKind::shared_lock:
      return "SharedLock";
  }
  return "unknown object";
}

std::string describe(BlockKind kind, const ElementType& type) {
  if (type.format.empty()) return std::string(word_for(kind));
  return fmt::format("{} of '{}' ({} bytes, aligned to {})", word_for(kind), type.format, type.size,
                     type.align);
}

const BlockHeader& header_of(const Holding& holding) {
  return holding.core->region().at<BlockHeader>(holding.offset);
}

}  // namespace

BlockRef::BlockRef(Holding* holding) noexcept
    : holding_(holding), data_(holding->core->payload(holding->offset, 0)) {}

BlockRef::BlockRef(const BlockRef& other) noexcept : holding_(other.holding_), data_(other.data_) {
  if (holding_ != nullptr) holding_->handles.fetch_add(1, std::memory_order_relaxed);
}

BlockRef::~BlockRef() {
  if (holding_ == nullptr) return;
  std::uint32_t handles = holding_->handles.load(std::memory_order_relaxed);
  while (handles > 1) {  // only the last one needs the process's table
    if (holding_->handles.compare_exchange_weak(handles, handles - 1, std::memory_order_acq_rel)) return;
  }
  const auto core = holding_->core;
  core->drop(holding_);
}

BlockRef BlockRef::create(const Arena& arena, BlockKind kind, const ElementType& type, std::uint64_t bytes,
                          bool zeroed) {
  return BlockRef(arena.core().create(kind, type, bytes, zeroed));
}

BlockRef BlockRef::open(const Handle& handle, BlockKind kind, const ElementType& type) {
  const auto core = find_core_of_arena(handle.arena);
  if (!core)
    throw UsageError("opening a handle: its arena is not attached in this process; open the arena first");
  BlockRef block(core->adopt(handle));
  check_type(block, kind, type);
  return block;
}

void check_type(const BlockRef& block, BlockKind kind, const ElementType& type) {
  const ElementType found = block.type();
  if (block.kind() == kind && found.format == type.format && found.size == type.size &&
      found.align == type.align)
    return;
  throw TypeMismatch(fmt::format("opening a shared object: it is a {}, this program expects a {}",
                                 describe(block.kind(), found), describe(kind, type)));
}

std::uint64_t BlockRef::size() const { return header_of(*holding_).size; }
BlockKind BlockRef::kind() const { return header_of(*holding_).kind; }
Handle BlockRef::handle() const {
  return {holding_->core->header().id, holding_->offset, holding_->generation};
}
ElementType BlockRef::type() const {
  const BlockHeader& header = header_of(*holding_);
  return {header.format.data(), header.element_size, header.element_align};
}
ArenaCore& BlockRef::core() const noexcept { return *holding_->core; }
Arena BlockRef::arena() const { return Arena(holding_->core); }

void BlockRef::throw_empty(std::string_view what) {
  throw UsageError(fmt::format(
      "{}: this handle is empty, because it was moved from or closed; use the handle it was moved to, or "
      "a copy made before",
      what));
}

}  // namespace polyproc::inline v0
