// SPDX-License-Identifier: MIT
// Objects as Python's repr writes them.
#include <array>
#include <cmath>
#include <iterator>
#include <ostream>
#include <unordered_set>

#include "codec/node.hpp"
#include "codec/text.hpp"

namespace polyproc::inline v0 {

namespace detail {

namespace {

// Characters that are written as escapes: controls, separators, surrogates, private use, and marks without a shape.
bool is_printable(char32_t c) noexcept {
  struct Range {
    char32_t first, last;
  };
  constexpr std::array<Range, 17> kHidden{{{0, 0x1f},
                                           {0x7f, 0xa0},
                                           {0xad, 0xad},
                                           {0x600, 0x605},
                                           {0x61c, 0x61c},
                                           {0x6dd, 0x6dd},
                                           {0x70f, 0x70f},
                                           {0x1680, 0x1680},
                                           {0x180e, 0x180e},
                                           {0x2000, 0x200f},
                                           {0x2028, 0x202f},
                                           {0x205f, 0x206f},
                                           {0x3000, 0x3000},
                                           {0xd800, 0xf8ff},
                                           {0xfeff, 0xfeff},
                                           {0xfff0, 0xfffb},
                                           {0xe0000, 0x10ffff}}};
  for (const Range& range : kHidden) {
    if (c >= range.first && c <= range.last) return false;
  }
  return (c & 0xfffe) != 0xfffe;
}

void append_quoted(std::string& out, char32_t c, char32_t quote) {
  if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if (c == '\t') {
    out += "\\t";
  } else if (c == '\\' || c == quote) {
    out += '\\', out += static_cast<char>(c);
  } else if (is_printable(c)) {
    append_character(out, c);
  } else if (c < 0x100) {
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<std::uint32_t>(c));
  } else if (c < 0x10000) {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<std::uint32_t>(c));
  } else {
    fmt::format_to(std::back_inserter(out), "\\U{:08x}", static_cast<std::uint32_t>(c));
  }
}

char quote_for(std::string_view text) noexcept {
  return text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
}

void append_string(std::string& out, std::string_view text) {
  const char quote = quote_for(text);
  out += quote;
  for (std::size_t at = 0; at < text.size();)
    append_quoted(out, next_character(text, at), static_cast<char32_t>(quote));
  out += quote;
}

// CPython escapes the single quote of a bytearray always, that of bytes only where it ends them.
void append_bytes(std::string& out, std::string_view bytes, bool bytearray = false) {
  const char quote = quote_for(bytes);
  out += 'b', out += quote;
  for (const char c : bytes) {
    if (bytearray && c == '\'')
      out += "\\'";
    else if (static_cast<unsigned char>(c) < 0x7f)
      append_quoted(out, static_cast<char32_t>(c), static_cast<char32_t>(quote));
    else
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
  }
  out += quote;
}

std::string shortest(double value) {
  if (std::isnan(value)) return "nan";
  return fmt::format("{}", value);
}

std::string float_text(double value) {
  std::string text = shortest(value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

void append_complex(std::string& out, std::complex<double> value) {
  const bool bare = value.real() == 0 && !std::signbit(value.real());
  if (bare) {
    out += shortest(value.imag()) + 'j';
    return;
  }
  const bool plus = std::isnan(value.imag()) || !std::signbit(value.imag());
  out += fmt::format("({}{}{}j)", shortest(value.real()), plus ? "+" : "", shortest(value.imag()));
}

std::string class_name(const Object& instance) {
  const Object& callable = instance.callable();
  return callable.kind() == Kind::name ? fmt::format("{}.{}", name(callable).module, name(callable).name)
                                       : "unknown";
}

void append_leaf(std::string& out, const Object& object) {
  switch (object.kind()) {
    case Kind::none:
      out += "None";
      break;
    case Kind::boolean:
      out += object.as_bool() ? "True" : "False";
      break;
    case Kind::integer:
      out += object.as_integer().to_string();
      break;
    case Kind::floating:
      out += float_text(ObjectAccess::floating(object));
      break;
    case Kind::complex:
      append_complex(out, complex(object));
      break;
    case Kind::string:
      append_string(out, text(object).text);
      break;
    case Kind::name:
      out += fmt::format("<{}.{}>", name(object).module, name(object).name);
      break;
    case Kind::instance:
      out += fmt::format("<{} object>", class_name(object));
      break;
    case Kind::bytearray:
      out += "bytearray(";
      append_bytes(out, text(object).text, true);
      out += ')';
      break;
    default:
      append_bytes(out, text(object).text);
  }
}

struct Brackets {
  std::string_view open, close, empty, inside;  // `inside` where it contains itself
};

Brackets brackets_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::list:
      return {"[", "]", "[]", "[...]"};
    case Kind::tuple:
      return {"(", ")", "()", "(...)"};
    case Kind::dict:
      return {"{", "}", "{}", "{...}"};
    case Kind::set:
      return {"{", "}", "set()", "set(...)"};
    default:
      return {"frozenset({", "})", "frozenset()", "frozenset(...)"};
  }
}

constexpr std::size_t kUnlimited = static_cast<std::size_t>(-1);
constexpr std::size_t kLongInteger = 4096;  // bytes: beyond them making the digits takes long

class Printer {
 public:
  explicit Printer(std::size_t longest) noexcept : longest_(longest) {}
  std::string print(const Object& object) {
    begin(object);
    while (!frames_.empty() && out_.size() <= longest_) step();
    if (out_.size() <= longest_) return std::move(out_);
    out_.resize(longest_);
    while (!out_.empty() && (static_cast<unsigned char>(out_.back()) & 0x80) != 0) out_.pop_back();
    return std::move(out_) + "...";
  }

 private:
  struct Frame {
    const Object* object;
    std::size_t next = 0;
    bool first = true;
    bool value = false;  // a dict's key was printed, its value is next
  };

  void begin(const Object& object) {
    if (longest_ != kUnlimited && object.kind() == Kind::integer && big_integer(object) != nullptr) {
      if (const std::size_t size = object.as_integer().to_bytes().size(); size > kLongInteger) {
        out_ += fmt::format("<int of {} bytes>", size);
        return;
      }
    }
    if (object.kind() == Kind::instance || (!is_link(object.kind()) && !is_set(object.kind())))
      return append_leaf(out_, object);
    const Brackets brackets = brackets_of(object.kind());
    const Node* node = ObjectAccess::node(object);
    if (object.empty()) {
      out_ += brackets.empty;
    } else if (node->cyclic && !open_.insert(node).second) {
      out_ += brackets.inside;
    } else {
      out_ += brackets.open;
      frames_.push_back({&object});
    }
  }
  void separate(Frame& frame) {
    if (!std::exchange(frame.first, false)) out_ += ", ";
  }
  void end() {
    const Object& object = *frames_.back().object;
    if (object.kind() == Kind::tuple && object.size() == 1) out_ += ',';
    out_ += brackets_of(object.kind()).close;
    open_.erase(ObjectAccess::node(object));
    frames_.pop_back();
  }
  void step() {
    Frame& frame = frames_.back();
    if (is_sequence(frame.object->kind())) {
      const auto items = frame.object->items();
      if (frame.next == items.size()) return end();
      separate(frame);
      return begin(items[frame.next++]);
    }
    const auto entries = table(*frame.object).table.entries();
    while (frame.next < entries.size() && entries[frame.next].erased) ++frame.next;
    if (frame.next == entries.size()) return end();
    const TableEntry& entry = entries[frame.next];
    if (frame.value) {
      frame.value = false;
      ++frame.next;
      out_ += ": ";
      return begin(entry.value);
    }
    separate(frame);
    if (frame.object->kind() == Kind::dict)
      frame.value = true;
    else
      ++frame.next;
    begin(entry.key);
  }

  std::size_t longest_;
  std::string out_;
  std::vector<Frame> frames_;
  std::unordered_set<const Node*> open_;  // those that may contain themselves
};

}  // namespace
}  // namespace detail

std::string Object::repr() const { return detail::Printer(detail::kUnlimited).print(*this); }
std::string Object::repr(std::size_t longest) const { return detail::Printer(longest).print(*this); }
std::ostream& operator<<(std::ostream& out, const Object& value) { return out << value.repr(); }

}  // namespace polyproc::inline v0
