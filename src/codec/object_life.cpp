// SPDX-License-Identifier: MIT
// How values of Objects end: by counting, with a look at cycles where there are any. Why so:
// docs/decisions/0007-counted-objects-and-known-cycles.md.
//
// Nothing here recurses or allocates on the way down: nodes are linked through themselves.
#include <algorithm>
#include <array>
#include <limits>

#include "codec/node.hpp"

namespace polyproc::inline v0 {

namespace detail {

namespace {

enum : std::uint8_t { kUnmarked, kMember, kLive, kOpen, kDone };

void free_node(Node* node) noexcept {
  switch (node->kind) {
    case Kind::integer:
      delete static_cast<IntegerNode*>(node);
      break;
    case Kind::floating:
      delete static_cast<NanNode*>(node);
      break;
    case Kind::complex:
      delete static_cast<ComplexNode*>(node);
      break;
    case Kind::name:
      delete static_cast<NameNode*>(node);
      break;
    case Kind::list:
    case Kind::tuple:
      delete static_cast<SequenceNode*>(node);
      break;
    case Kind::instance:
      delete static_cast<InstanceNode*>(node);
      break;
    case Kind::dict:
    case Kind::set:
    case Kind::frozenset:
      delete static_cast<TableNode*>(node);
      break;
    default:
      delete static_cast<TextNode*>(node);
  }
}

// Takes every counted reference out of a container.
template <class Visit>
void strip(Node& node, Visit visit) noexcept {
  const auto take = [&](Object& object) {
    if (Node* taken = ObjectAccess::steal(object)) visit(taken);
  };
  if (has_items(node.kind)) {
    for (Object& item : static_cast<SequenceNode&>(node).items) take(item);
  } else if (node.kind == Kind::dict || is_set(node.kind)) {
    for (TableEntry& entry : static_cast<TableNode&>(node).table.raw_entries())
      take(entry.key), take(entry.value);
  }
}

// Gives up references until nothing more follows from it.
class Reaper {
 public:
  void drop(Node* node) noexcept {
    const bool cyclic = node->cyclic;
    if (cyclic && !node->candidate && node->references.load(std::memory_order_relaxed) > 1) {
      node->candidate = true;  // keeps the reference for now
      node->queue = candidates_;
      candidates_ = node;
      return;
    }
    if (node->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      node->link = dead_;
      dead_ = node;
    }
  }

  void run() noexcept {
    for (;;) {
      if (dead_ != nullptr) {
        Node* const node = std::exchange(dead_, dead_->link);
        strip(*node, [this](Node* child) { drop(child); });
        free_node(node);
      } else if (candidates_ != nullptr) {
        Node* const node = std::exchange(candidates_, candidates_->queue);
        node->candidate = false;
        examine(node);
      } else {
        return;
      }
    }
  }

 private:
  // Those cyclic nodes that `node` leads to through cyclic nodes, linked; `number` counts references among them.
  static Node* gather(Node* node) noexcept {
    node->mark = kMember;
    node->number = 0;
    node->link = nullptr;
    Node* last = node;
    for (Node* at = node; at != nullptr; at = at->link) {
      for (std::size_t i = 0; i < child_count(*at); ++i) {
        Node* const next = child(*at, i);
        if (next == nullptr || !next->cyclic) continue;
        if (next->mark == kUnmarked) {
          next->mark = kMember;
          next->number = 0;
          next->link = nullptr;
          last = last->link = next;
        }
        ++next->number;
      }
    }
    return node;
  }

  // What is referred to from elsewhere lives, and with it what that leads to.
  static void mark_live(Node* members) noexcept {
    Node* queue = nullptr;
    const auto push = [&](Node* node) {
      node->mark = kLive;
      node->work = queue;
      queue = node;
    };
    for (Node* at = members; at != nullptr; at = at->link) {
      const std::uint32_t held = at->candidate ? 1 : 0;  // by the list of candidates
      if (at->mark == kMember && at->references.load(std::memory_order_relaxed) > at->number + held) push(at);
    }
    while (queue != nullptr) {
      Node* const at = std::exchange(queue, queue->work);
      for (std::size_t i = 0; i < child_count(*at); ++i) {
        Node* const next = child(*at, i);
        if (next != nullptr && next->mark == kMember) push(next);
      }
    }
  }

  // Drops the one reference that is held here, and all that lived by cycles alone.
  void examine(Node* node) noexcept {
    if (node->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      node->link = dead_;
      dead_ = node;
      return;
    }
    Node* garbage = nullptr;
    Node* const members = gather(node);
    mark_live(members);
    for (Node *at = members, *next = nullptr; at != nullptr; at = next) {
      next = at->link;
      if (std::exchange(at->mark, kUnmarked) != kMember) continue;
      at->references.fetch_add(1, std::memory_order_relaxed);  // ours, until all are taken apart
      at->cyclic = false;
      at->work = garbage;
      garbage = at;
    }
    for (Node* at = garbage; at != nullptr; at = at->work) strip(*at, [this](Node* child) { drop(child); });
    while (garbage != nullptr) drop(std::exchange(garbage, garbage->work));
  }

  Node* dead_ = nullptr;        // without references, by `link`
  Node* candidates_ = nullptr;  // cyclic, with one reference that is held here, by `queue`
};

bool leads_to(Node* from, const Node* target) {
  std::vector<Node*> seen{from};
  from->mark = kMember;
  bool found = from == target;
  for (std::size_t next = 0; next < seen.size() && !found; ++next) {
    if (!seen[next]->holds_containers) continue;
    for (std::size_t i = 0; i < child_count(*seen[next]) && !found; ++i) {
      Node* const node = child(*seen[next], i);
      if (node == nullptr || node->mark != kUnmarked) continue;
      node->mark = kMember;
      seen.push_back(node);
      found = node == target;
    }
  }
  for (Node* node : seen) node->mark = kUnmarked;
  return found;
}

// R. Tarjan's strongly connected components, with a stack of its own instead of recursion.
class CycleMarker {
 public:
  void run(std::span<Node* const> roots) {
    for (Node* root : roots) {
      if (root->mark == kUnmarked) walk(root);
    }
    for (Node* node : seen_) node->mark = kUnmarked;
  }

 private:
  void walk(Node* root) {
    enter(root);
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      if (frame.next < child_count(*frame.node))
        visit(frame, child(*frame.node, frame.next++));
      else
        leave();
    }
  }
  struct Frame {
    Node* node;
    std::size_t next;
    std::uint32_t lowest;
    bool loop;
  };

  void enter(Node* node) {
    node->mark = kOpen;
    node->number = static_cast<std::uint32_t>(seen_.size());
    seen_.push_back(node);
    open_.push_back(node);
    frames_.push_back({node, 0, node->number, false});
  }
  void visit(Frame& frame, Node* node) {
    if (node == nullptr) return;
    if (node->mark == kUnmarked) {
      enter(node);
    } else if (node->mark == kOpen) {
      frame.lowest = std::min(frame.lowest, node->number);
      frame.loop |= node == frame.node;
    }
  }
  void leave() {
    const Frame frame = frames_.back();
    frames_.pop_back();
    if (frame.lowest != frame.node->number) {
      frames_.back().lowest = std::min(frames_.back().lowest, frame.lowest);
      return;
    }
    const bool cycle = frame.loop || open_.back() != frame.node;
    for (Node* node = nullptr; node != frame.node;) {
      node = open_.back();
      open_.pop_back();
      node->mark = kDone;
      node->cyclic |= cycle;
    }
  }

  std::vector<Frame> frames_;
  std::vector<Node*> open_;
  std::vector<Node*> seen_;
};

}  // namespace

void mark_cycles(std::span<Node* const> roots) { CycleMarker().run(roots); }

void note_insertion(Node& target, const Object& added) {
  if (!is_link(added.kind())) return;
  target.holds_containers = true;
  // With one reference, the caller's, nothing leads to the target, so nothing leads back to it.
  if (target.references.load(std::memory_order_relaxed) == 1) return;
  if (leads_to(ObjectAccess::node(added), &target)) mark_cycles(std::array{&target});
}

}  // namespace detail

void Object::retain() const noexcept {
  detail::ObjectAccess::node(*this)->references.fetch_add(1, std::memory_order_relaxed);
}

void Object::release() noexcept {
  detail::Reaper reaper;
  reaper.drop(detail::ObjectAccess::steal(*this));
  reaper.run();
}

}  // namespace polyproc::inline v0
