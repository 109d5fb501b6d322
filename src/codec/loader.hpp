// SPDX-License-Identifier: MIT
// Loads any pickle of protocols 0 to 5 that is data alone, as CPython's pickle.loads would, into Objects. No class is
// looked up and nothing is called: the few constructors that protocols 0 to 2 need for plain values are done here. All other
// classes are refused, or kept as names and instances, which are data as well.
//
// It is a machine with a stack, so nesting costs no recursion. Memory is bounded by the input: each opcode makes at most
// one value of fixed size, and lengths are checked against what is there before anything is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <polyproc/codec/object.hpp>
#include <polyproc/codec/opcode.hpp>

namespace polyproc::inline v0::detail {

// What may stand before a REDUCE.
enum class Constructor : std::uint8_t { none, set, frozenset, bytearray, complex, bytes, encode };

class Loader {
 public:
  enum class Classes : std::uint8_t { refused, kept };

  // `first`: the offset of the input's first byte, for errors.
  explicit Loader(std::span<const std::byte> input, std::size_t first = 0,
                  Classes classes = Classes::refused) noexcept
      : input_(input), first_(first), keeps_classes_(classes == Classes::kept) {}
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  ~Loader();

  // A whole pickle: from its first opcode to STOP, with nothing behind it.
  [[nodiscard]] Object load();
  // A value without STOP that fills the input.
  [[nodiscard]] Object load_bare();
  // One that ends where its writer's layout says so (docs/wire.md), and the bytes that it took.
  [[nodiscard]] Object load_prefix(std::size_t& length);

 private:
  struct Slot {
    Object value;
    Constructor constructor = Constructor::none;
  };
  using Slots = std::span<Slot>;

  [[noreturn]] void fail(const std::string& what) const;
  std::span<const std::byte> take(std::uint64_t count);
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view line();
  std::string_view text(std::uint64_t count);

  template <class Body>
  auto guarded(Body body);
  bool step();
  bool step_value(Opcode op);
  bool step_text_form(Opcode op);
  bool step_structure(Opcode op);
  bool step_memo(Opcode op);
  bool step_reduction(Opcode op);
  bool step_instance(Opcode op);

  void push(Object value) { stack_.push_back({std::move(value)}); }
  Slot pop();
  Object pop_value();
  Slot& top();
  Object& top_of(Kind kind);
  // What lies above the last mark, which is taken away; the caller then drops them from the stack.
  Slots above_mark();
  Slots above_mark_under(Kind kind);
  Slots last(std::size_t count);
  void drop(Slots slots) { stack_.resize(stack_.size() - slots.size()); }
  [[nodiscard]] std::vector<Object> values(Slots slots);
  void make_tuple(Slots slots);
  void make_dict(Slots slots);
  void make_frozenset(Slots slots);
  void append(Object& list, Slots slots);
  void fill(Object& target, Slots slots, Kind kind);
  void fill_instance(Object& instance, Slots slots, std::size_t part);
  void push_instance(Opcode how, const Slot& callee, Object arguments, Object keywords);
  void reduce();
  void set_items(Object& dict, Slots slots);
  void add_items(Object& set, Slots slots);
  void check_value(const Slot& slot) const;
  void check_dropped() const;

  void remember(std::uint64_t number);
  void recall(std::uint64_t number);
  std::uint64_t line_number();

  void push_string(std::string_view utf8);
  void push_ascii(std::string_view text);
  void push_quoted(std::string_view line);
  void push_raw_unicode(std::string_view line);
  void push_text_int(std::string_view line);
  void push_text_long(std::string_view line);
  void push_text_float(std::string_view line);
  void push_decimal(std::string_view text);

  void push_constructor(std::string_view module, std::string_view name);
  [[nodiscard]] Object construct(Constructor constructor, std::span<const Object> arguments);
  [[nodiscard]] Object construct_set(Kind kind, std::span<const Object> arguments);
  [[nodiscard]] Object construct_bytearray(std::span<const Object> arguments);
  [[nodiscard]] Object construct_complex(std::span<const Object> arguments);
  [[nodiscard]] Object latin1(std::span<const Object> arguments, Kind kind);

  Object finish();
  void note_links(const Object& value);

  std::span<const std::byte> input_;
  std::size_t first_;
  std::size_t at_ = 0;
  std::size_t opcode_at_ = 0;
  std::vector<Slot> stack_;
  std::vector<std::size_t> marks_;
  std::vector<Slot> memo_;
  std::vector<bool> remembered_;
  std::vector<Object> displaced_;  // former entries of the memo, and what DUP doubled
  std::size_t made_ = 0;           // elements and bytes that constructors have copied
  bool keeps_classes_;
  std::uint8_t protocol_ = 0;
  bool may_be_cyclic_ = false;  // a list, tuple or dict was referred to again
};

}  // namespace polyproc::inline v0::detail
