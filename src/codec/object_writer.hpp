// SPDX-License-Identifier: MIT
// Writes an Object as a pickle, without recursion. What may be shared is written once and referred to by number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include <polyproc/codec/writer.hpp>

#include "codec/node.hpp"

namespace polyproc::inline v0::detail {

class ObjectWriter {
 public:
  // Without sharing every occurrence is written in full; once more than `limit` bytes are there, or a
  // value contains itself, DecodeError.
  explicit ObjectWriter(Writer& out) noexcept : out_(out) {}
  ObjectWriter(Writer& out, std::size_t limit) noexcept : out_(out), share_(false), limit_(limit) {}
  void write(const Object& value);
  // Whether it is written as more than one token.
  [[nodiscard]] static bool is_compound(const Object& value) noexcept;

 private:
  struct Frame {
    const Node* node;
    std::size_t next;
    bool memo;   // others may refer to it
    bool value;  // a dict's key was written
  };
  void op(Opcode code) { out_.op(code); }
  void put_reference(Opcode small, Opcode large, std::uint32_t number);
  void begin(const Object& value);
  void begin_container(const Node& node);
  void step();
  void step_table(Frame& frame);
  void step_instance(Frame& frame);
  void end();
  void end_tuple(const Node& node);
  bool refer(const Node* node);
  void remember(const Node* node);
  void write_leaf(const Object& value);
  void check_limit() const;

  Writer& out_;
  bool share_ = true;
  std::size_t limit_ = static_cast<std::size_t>(-1);
  std::vector<Frame> frames_;
  std::unordered_map<const Node*, std::uint32_t> memo_;
};

}  // namespace polyproc::inline v0::detail
