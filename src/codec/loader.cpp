// SPDX-License-Identifier: MIT
// The machine: stack, marks and memo.
#include "codec/loader.hpp"

#include <cstring>
#include <iterator>

#include <polyproc/codec/decode_error.hpp>

#include "codec/node.hpp"
#include "codec/text.hpp"

namespace polyproc::inline v0::detail {

namespace {

std::string hex(Opcode op) { return fmt::format("0x{:02x}", static_cast<unsigned>(op)); }

}  // namespace

// Values that contain themselves are known as such before they are dropped, also when the input was refused.
Loader::~Loader() {
  if (!may_be_cyclic_) return;
  std::vector<Node*> roots;
  const auto add = [&](const Object& value) {
    if (is_link(value.kind())) roots.push_back(ObjectAccess::node(value));
  };
  for (const Slot& slot : stack_) add(slot.value);
  for (const Slot& slot : memo_) add(slot.value);
  for (const Object& value : displaced_) add(value);
  mark_cycles(roots);
}

void Loader::fail(const std::string& what) const { throw DecodeError(what, first_ + opcode_at_); }

std::span<const std::byte> Loader::take(std::uint64_t count) {
  if (count > input_.size() - at_)
    fail(fmt::format("{} bytes are announced and {} are left", count, input_.size() - at_));
  const auto part = input_.subspan(at_, count);
  at_ += count;
  return part;
}

std::string_view Loader::text(std::uint64_t count) {
  const auto bytes = take(count);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view Loader::line() {
  const auto rest = input_.subspan(at_);
  const void* end = rest.empty() ? nullptr : std::memchr(rest.data(), '\n', rest.size());
  if (end == nullptr) fail("a line does not end");
  const auto length = static_cast<std::size_t>(static_cast<const std::byte*>(end) - rest.data());
  const std::string_view result = text(length);
  ++at_;
  return result;
}

Loader::Slot& Loader::top() {
  if (stack_.empty() || (!marks_.empty() && marks_.back() == stack_.size()))
    fail("there is no value to act upon");
  return stack_.back();
}

Loader::Slot Loader::pop() {
  Slot slot = std::move(top());
  stack_.pop_back();
  return slot;
}

void Loader::check_value(const Slot& slot) const {
  if (slot.constructor != Constructor::none && !keeps_classes_)
    fail("a class stands where a value is expected");
}

Object Loader::pop_value() {
  Slot slot = pop();
  check_value(slot);
  return std::move(slot.value);
}

Object& Loader::top_of(Kind kind) {
  Slot& slot = top();
  if (slot.value.kind() != kind && slot.value.kind() != Kind::instance)
    fail(fmt::format("elements for a {}, and there is none", kind_name(kind)));
  return slot.value;
}

Loader::Slots Loader::above_mark() {
  if (marks_.empty()) fail("there is no mark");
  const std::size_t from = marks_.back();
  marks_.pop_back();
  return Slots(stack_).subspan(from);
}

// The mark must lie right above a container of this kind, or an instance that may be one.
Loader::Slots Loader::above_mark_under(Kind kind) {
  const Slots slots = above_mark();
  const std::size_t from = stack_.size() - slots.size();
  const bool bare = from == 0 || (!marks_.empty() && marks_.back() == from);
  const Kind found = bare ? Kind::none : stack_[from - 1].value.kind();
  if (found != kind && !(found == Kind::instance && kind != Kind::set))
    fail(fmt::format("elements for a {}, and there is none", kind_name(kind)));
  return slots;
}

Loader::Slots Loader::last(std::size_t count) {
  const std::size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() - floor < count) fail(fmt::format("{} values are needed", count));
  return Slots(stack_).last(count);
}

std::vector<Object> Loader::values(Slots slots) {
  std::vector<Object> all;
  all.reserve(slots.size());
  for (Slot& slot : slots) {
    check_value(slot);
    all.push_back(std::move(slot.value));
  }
  return all;
}

bool Loader::step() {
  opcode_at_ = at_;
  const Opcode op{number<std::uint8_t>()};
  if (op == Opcode::stop) return false;
  if (step_value(op) || step_structure(op) || step_memo(op) || step_reduction(op) || step_instance(op) ||
      step_text_form(op))
    return true;
  if (op == Opcode::proto) {
    protocol_ = number<std::uint8_t>();
    if (protocol_ > 5) fail(fmt::format("pickle protocol {}", protocol_));
  } else if (op == Opcode::frame) {
    const auto length = number<std::uint64_t>();
    if (length > input_.size() - at_)
      fail(fmt::format("a frame of {} bytes where {} are left", length, input_.size() - at_));
  } else {
    fail(fmt::format("opcode {} is no plain data", hex(op)));
  }
  return true;
}

Object Loader::finish() {
  if (!marks_.empty()) fail("a mark is left open");
  if (stack_.size() != 1) fail(fmt::format("{} values where there should be one", stack_.size()));
  check_value(stack_.back());
  return stack_.back().value;
}

// Table and hash know nothing of offsets.
template <class Body>
auto Loader::guarded(Body body) {
  try {
    return body();
  } catch (const TypeMismatch& error) {
    fail(error.what());
  }
}

Object Loader::load() {
  return guarded([this] {
    while (step()) {
    }
    if (at_ != input_.size()) fail(fmt::format("{} bytes follow the end", input_.size() - at_));
    return finish();
  });
}

constexpr std::uint8_t kOwnProtocol = 4;

Object Loader::load_bare() {
  protocol_ = kOwnProtocol;
  return guarded([this] {
    while (at_ != input_.size()) {
      if (!step()) fail("it ends too early");
    }
    return finish();
  });
}

// Of our own layout only a set begins with a value that is not yet all, and a class with one that is none.
Object Loader::load_prefix(std::size_t& length) {
  protocol_ = kOwnProtocol;
  return guarded([&] {
    for (bool more = true; more;) {
      if (!step()) fail("it ends too early");
      const Opcode op{std::to_integer<std::uint8_t>(input_[opcode_at_])};
      more = stack_.size() != 1 || !marks_.empty() || op == Opcode::empty_set || op == Opcode::global;
    }
    length = at_;
    return finish();
  });
}

}  // namespace polyproc::inline v0::detail
