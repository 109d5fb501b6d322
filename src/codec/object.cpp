// SPDX-License-Identifier: MIT
// Making, reading and changing Objects.
#include <polyproc/codec/object.hpp>

#include <array>
#include <cmath>
#include <stdexcept>

#include <polyproc/codec/opcode.hpp>
#include <polyproc/os/error.hpp>

#include "codec/node.hpp"
#include "codec/text.hpp"

namespace polyproc::inline v0 {

using detail::ObjectAccess;
using detail::TableEntry;

namespace {

[[noreturn]] void throw_kind(std::string_view expected, Kind found) {
  throw TypeMismatch(fmt::format("object: it is a {}, and {} was asked for", kind_name(found), expected));
}

template <class... K>
void require(const Object& object, std::string_view expected, K... kinds) {
  if (((object.kind() != kinds) && ...)) throw_kind(expected, object.kind());
}

std::string to_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[noreturn]] void throw_index(std::int64_t index, std::size_t size) {
  throw std::out_of_range(fmt::format("object: element {} of {}", index, size));
}

std::size_t index_of(const Object& key, std::size_t size) {
  const std::int64_t index = key.as_int();
  if (index < 0 || static_cast<std::uint64_t>(index) >= size) throw_index(index, size);
  return static_cast<std::size_t>(index);
}

Object make_sequence(Kind kind, std::vector<Object> items) {
  auto* node = kind == Kind::instance ? new detail::InstanceNode(kind, std::move(items))
                                      : new detail::SequenceNode(kind, std::move(items));
  for (const Object& item : node->items) node->holds_containers |= detail::is_link(item.kind());
  return ObjectAccess::make(node);
}

Object make_set(Kind kind, std::vector<Object> items) {
  Object result = ObjectAccess::make(new detail::TableNode(kind));
  for (Object& item : items) detail::table(result).table.assign(item, Object());
  return result;
}

}  // namespace

namespace detail {

Object make_text(Kind kind, std::string text) {
  return ObjectAccess::make(new TextNode(kind, std::move(text)));
}
Object make_name(std::string module, std::string name) {
  return ObjectAccess::make(new NameNode(std::move(module), std::move(name)));
}
Object make_string(std::string utf8) { return make_text(Kind::string, std::move(utf8)); }

Object make_instance(std::uint8_t how, Object callable, Object arguments, Object keywords) {
  std::vector<Object> parts(kParts);
  parts[kHow] = how;
  parts[kCallable] = std::move(callable);
  parts[kArguments] = std::move(arguments);
  parts[kKeywords] = std::move(keywords);
  return make_sequence(Kind::instance, std::move(parts));
}

}  // namespace detail

std::string_view kind_name(Kind kind) noexcept {
  constexpr std::array<std::string_view, 15> kNames{
      "NoneType",           "bool", "int",   "float", "complex", "str",       "bytes",
      "bytearray",          "list", "tuple", "dict",  "set",     "frozenset", "name of a class or function",
      "instance of a class"};
  return kNames[static_cast<std::size_t>(kind)];
}

Object::Object(double value) {
  if (std::isnan(value))
    *this = ObjectAccess::make(new detail::NanNode(value));
  else
    *this = ObjectAccess::floating(value);
}

Object::Object(const Integer& value) {
  if (const auto small = value.to_int64())
    *this = Object(*small);
  else
    *this = ObjectAccess::make(new detail::IntegerNode(value));
}

Object::Object(std::complex<double> value) : Object(ObjectAccess::make(new detail::ComplexNode(value))) {}
namespace {
std::string utf8_of(std::string_view text) {
  return detail::needs_no_escape(text) ? std::string(text) : detail::escape(text);
}
}  // namespace

Object::Object(std::string_view text) : Object(detail::make_string(utf8_of(text))) {}

Object Object::bytes(std::span<const std::byte> value) {
  return detail::make_text(Kind::bytes, to_text(value));
}
Object Object::bytearray(std::span<const std::byte> value) {
  return detail::make_text(Kind::bytearray, to_text(value));
}
Object Object::list(std::vector<Object> items) { return make_sequence(Kind::list, std::move(items)); }
Object Object::tuple(std::vector<Object> items) { return make_sequence(Kind::tuple, std::move(items)); }
Object Object::set(std::vector<Object> items) { return make_set(Kind::set, std::move(items)); }
Object Object::frozenset(std::vector<Object> items) { return make_set(Kind::frozenset, std::move(items)); }
Object Object::dict(std::vector<std::pair<Object, Object>> items) {
  Object result = ObjectAccess::make(new detail::TableNode(Kind::dict));
  for (auto& [key, value] : items) result.set(key, std::move(value));
  return result;
}

Object Object::name(std::string_view module, std::string_view qualified_name) {
  return detail::make_name(utf8_of(module), utf8_of(qualified_name));
}
Object Object::instance(const Object& callable, const Object& arguments) {
  require(callable, "a name", Kind::name);
  require(arguments, "a tuple", Kind::tuple);
  return detail::make_instance(static_cast<std::uint8_t>(Opcode::reduce), callable, arguments, {});
}

bool Object::as_bool() const {
  require(*this, "a bool", Kind::boolean);
  return bits_ != 0;
}

std::int64_t Object::as_int() const {
  require(*this, "an int", Kind::integer, Kind::boolean);
  if (counted_) throw TypeMismatch("object: the int has more than 64 bits; take as_integer()");
  return detail::small_integer(*this);
}

Integer Object::as_integer() const {
  require(*this, "an int", Kind::integer, Kind::boolean);
  return counted_ ? *detail::big_integer(*this) : Integer(detail::small_integer(*this));
}

double Object::as_double() const {
  require(*this, "a float", Kind::floating);
  return ObjectAccess::floating(*this);
}

std::complex<double> Object::as_complex() const {
  require(*this, "a complex", Kind::complex);
  return detail::complex(*this);
}

std::string_view Object::as_utf8() const {
  require(*this, "a str", Kind::string);
  return detail::text(*this).text;
}

std::string Object::as_string() const {
  const std::string_view text = as_utf8();
  return detail::has_escapes(text) ? detail::unescape(text) : std::string(text);
}

std::span<const std::byte> Object::as_bytes() const {
  require(*this, "bytes", Kind::bytes, Kind::bytearray);
  return std::as_bytes(std::span(detail::text(*this).text));
}

std::string_view Object::module() const {
  require(*this, "a name", Kind::name);
  return detail::name(*this).module;
}
std::string_view Object::qualified_name() const {
  require(*this, "a name", Kind::name);
  return detail::name(*this).name;
}
const Object& Object::callable() const {
  require(*this, "an instance", Kind::instance);
  return detail::sequence(*this).items[detail::kCallable];
}
const Object& Object::arguments() const {
  require(*this, "an instance", Kind::instance);
  return detail::sequence(*this).items[detail::kArguments];
}
const Object& Object::state() const {
  require(*this, "an instance", Kind::instance);
  return detail::sequence(*this).items[detail::kState];
}

std::size_t Object::size() const {
  if (kind_ == Kind::string) return detail::count_characters(as_utf8());
  if (kind_ == Kind::bytes || kind_ == Kind::bytearray) return as_bytes().size();
  if (detail::is_sequence(kind_)) return items().size();
  if (kind_ != Kind::dict && !detail::is_set(kind_)) throw_kind("something with a length", kind_);
  return detail::table(*this).table.size();
}

std::span<const Object> Object::items() const {
  require(*this, "a list or tuple", Kind::list, Kind::tuple);
  return detail::sequence(*this).items;
}

const Object* Object::find(const Object& key) const {
  require(*this, "a dict", Kind::dict);
  const detail::Table& table = detail::table(*this).table;
  const std::size_t found = table.find(key);
  return found == detail::Table::kNone ? nullptr : &table.entries()[found].value;
}

const Object& Object::at(const Object& key) const {
  if (detail::is_sequence(kind_)) return items()[index_of(key, items().size())];
  const Object* found = find(key);
  if (found == nullptr) throw std::out_of_range("object: the dict has no key " + key.repr());
  return *found;
}

bool Object::contains(const Object& key) const {
  require(*this, "a dict or set", Kind::dict, Kind::set, Kind::frozenset);
  return detail::table(*this).table.find(key) != detail::Table::kNone;
}

Object::Items Object::entries() const {
  require(*this, "a dict or set", Kind::dict, Kind::set, Kind::frozenset);
  const auto entries = detail::table(*this).table.entries();
  return {entries.data(), entries.data() + entries.size()};
}

void Object::append(Object value) {
  require(*this, "a list", Kind::list);
  detail::SequenceNode& node = detail::sequence(*this);
  node.items.push_back(value);
  detail::note_insertion(node, value);
}

void Object::set(const Object& key, Object value) {
  require(*this, "a list or dict", Kind::list, Kind::dict);
  if (kind_ == Kind::list) {
    detail::SequenceNode& node = detail::sequence(*this);
    const Object old = std::exchange(node.items[index_of(key, node.items.size())], value);
    return detail::note_insertion(node, value);
  }
  detail::TableNode& node = detail::table(*this);
  const Object* found = node.table.size() == 0 ? nullptr : find(key);
  const Object old = found == nullptr ? Object() : *found;  // dropped when the dict is in order again
  detail::note_insertion(node, node.table.assign(key, std::move(value)));
}

void Object::add(const Object& value) {
  require(*this, "a set", Kind::set);
  detail::table(*this).table.assign(value, Object());
}

bool Object::erase(const Object& key) {
  require(*this, "a dict or set that can be changed", Kind::dict, Kind::set);
  const Object self = *this;  // what is dropped may hold this
  return detail::table(self).table.erase(key);
}

void Object::erase_at(std::size_t index) {
  require(*this, "a list", Kind::list);
  const Object self = *this;
  auto& all = detail::sequence(self).items;
  if (index >= all.size()) throw_index(static_cast<std::int64_t>(index), all.size());
  const Object dropped = std::move(all[index]);
  all.erase(all.begin() + static_cast<std::ptrdiff_t>(index));
}

std::optional<std::pair<Object, Object>> Object::pop_item() {
  require(*this, "a dict or set that can be changed", Kind::dict, Kind::set);
  std::pair<Object, Object> last;
  if (!detail::table(*this).table.take_last(last.first, last.second)) return std::nullopt;
  return last;
}

void Object::clear() {
  require(*this, "something that can be changed", Kind::list, Kind::dict, Kind::set, Kind::bytearray);
  const Object self = *this;
  if (kind_ == Kind::list)
    const auto dropped = std::exchange(detail::sequence(self).items, {});
  else if (kind_ == Kind::bytearray)
    detail::text(self).text.clear();
  else
    const auto dropped = std::exchange(detail::table(self).table, {});
}

void Object::assign(std::span<const std::byte> value) {
  require(*this, "a bytearray", Kind::bytearray);
  detail::text(*this).text = to_text(value);
}

Object::Items::Iterator::Iterator(const TableEntry* at, const TableEntry* end) noexcept : at_(at), end_(end) {
  skip_erased();
}

void Object::Items::Iterator::skip_erased() noexcept {
  while (at_ != end_ && at_->erased) ++at_;
}

Object::Items::Iterator::reference Object::Items::Iterator::operator*() const noexcept {
  return {at_->key, at_->value};
}

Object::Items::Iterator& Object::Items::Iterator::operator++() noexcept {
  ++at_;
  skip_erased();
  return *this;
}

}  // namespace polyproc::inline v0
