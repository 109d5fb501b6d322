// SPDX-License-Identifier: MIT
// The opcodes that remember a value, and refer to it again.
#include "codec/loader.hpp"

#include <charconv>

#include "codec/node.hpp"

namespace polyproc::inline v0::detail {

void Loader::note_links(const Object& value) { may_be_cyclic_ |= is_link(value.kind()); }

void Loader::remember(std::uint64_t number) {
  const Slot& slot = top();
  // Each entry is made by an opcode of its own, so that no sound pickle has larger numbers.
  if (number >= first_ + input_.size())
    fail(fmt::format("memo entry {} in an input of {} bytes", number, input_.size()));
  if (number >= memo_.size()) {
    memo_.resize(number + 1);
    remembered_.resize(number + 1);
  }
  if (remembered_[number] && is_link(memo_[number].value.kind())) displaced_.push_back(memo_[number].value);
  memo_[number] = slot;
  remembered_[number] = true;
}

void Loader::recall(std::uint64_t number) {
  if (number >= memo_.size() || !remembered_[number]) fail(fmt::format("there is no memo entry {}", number));
  stack_.push_back(memo_[number]);
  note_links(memo_[number].value);
}

std::uint64_t Loader::line_number() {
  const std::string_view digits = line();
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) fail("a number is expected");
  return value;
}

bool Loader::step_memo(Opcode op) {
  switch (op) {
    case Opcode::memoize:
      remember(memo_.size());
      return true;
    case Opcode::bin_put:
      remember(number<std::uint8_t>());
      return true;
    case Opcode::long_bin_put:
      remember(number<std::uint32_t>());
      return true;
    case Opcode::put:
      remember(line_number());
      return true;
    case Opcode::bin_get:
      recall(number<std::uint8_t>());
      return true;
    case Opcode::long_bin_get:
      recall(number<std::uint32_t>());
      return true;
    case Opcode::get:
      recall(line_number());
      return true;
    default:
      return false;
  }
}

}  // namespace polyproc::inline v0::detail
