// SPDX-License-Identifier: MIT
#include "manager/object_table.hpp"

#include <charconv>
#include <cstring>
#include <unordered_set>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "codec/node.hpp"
#include "net/random.hpp"

namespace polyproc::inline v0 {

ObjectReference::ObjectReference(ObjectTable& table, std::uint64_t number) : table_(table), number_(number) {
  table.increase(number);
  ++table.nested_;
}
ObjectReference::~ObjectReference() {
  --table_.nested_;
  table_.decrease(number_);
}

// Numbers begin where those of another server are not likely to be, so that a proxy of another one is not taken for ours.
ObjectTable::ObjectTable() {
  const auto start = random_bytes(sizeof next_);
  std::memcpy(&next_, start.data(), sizeof next_);
  next_ >>= 2;
}

// What objects hold of each other is given back while the table is there.
ObjectTable::~ObjectTable() {
  while (!entries_.empty()) {
    ended_.push_back(std::move(entries_.begin()->second.object));
    entries_.erase(entries_.begin());
  }
  drop_ended();
}

void ObjectTable::add_type(SharedType type) {
  const auto name = type.name;
  if (!types_.emplace(name, std::move(type)).second)
    throw InvalidArgument(fmt::format("registering the type '{}': there is one of that name", name));
}

const SharedType* ObjectTable::find_type(std::string_view name) const {
  const auto found = types_.find(name);
  return found == types_.end() ? nullptr : &found->second;
}

std::uint64_t ObjectTable::add(const SharedType& type, std::shared_ptr<SharedObject> object) {
  const auto known = numbers_.find(object.get());
  if (known != numbers_.end()) {
    increase(known->second);
    return known->second;
  }
  const std::uint64_t number = next_++;
  numbers_.emplace(object.get(), number);
  entries_.emplace(number, Entry{std::move(object), &type, 1});
  return number;
}

const ObjectTable::Entry* ObjectTable::find(std::uint64_t number) const {
  const auto found = entries_.find(number);
  return found == entries_.end() ? nullptr : &found->second;
}

void ObjectTable::increase(std::uint64_t number) {
  const auto found = entries_.find(number);
  if (found == entries_.end())
    throw PythonError("KeyError", fmt::format("there is no shared object {} any more", ident_of(number)));
  ++found->second.references;
}

void ObjectTable::decrease(std::uint64_t number) noexcept {
  const auto found = entries_.find(number);
  if (found == entries_.end() || --found->second.references != 0) return;
  numbers_.erase(found->second.object.get());
  ended_.push_back(std::move(found->second.object));
  entries_.erase(found);
}

void ObjectTable::drop_ended() noexcept {
  while (!ended_.empty()) {
    const auto object = std::move(ended_.back());
    ended_.pop_back();
  }
}

std::string ObjectTable::describe() const {
  std::map<std::string, std::string> lines;
  for (const auto& [number, entry] : entries_)
    lines[ident_of(number)] = fmt::format("  {}:       refcount={}\n    {}", ident_of(number),
                                          entry.references, entry.object->repr().substr(0, 75));
  std::string all;
  for (const auto& [ident, line] : lines) all += (all.empty() ? "" : "\n") + line;
  return all;
}

// Without recursion, and each value once, however it is shared.
void ObjectTable::adopt(const Object& value) {
  std::unordered_set<const void*> seen;
  std::vector<Object> pending{value};
  const auto visit = [&](const Object& next) {
    if (detail::is_link(next.kind()) || detail::is_set(next.kind())) pending.push_back(next);
  };
  while (!pending.empty()) {
    const Object at = std::move(pending.back());
    pending.pop_back();
    if (!detail::ObjectAccess::counted(at) || !seen.insert(detail::ObjectAccess::node(at)).second) continue;
    if (at.kind() == Kind::instance) {
      if (const auto token = token_of_proxy(at)) {
        const auto number = number_of(token->ident);
        if (number && find(*number) != nullptr && !detail::instance(at).held)
          detail::instance(at).held = std::make_shared<const ObjectReference>(*this, *number);
        continue;
      }
    }
    if (detail::has_items(at.kind())) {
      for (const Object& item : detail::sequence(at).items) visit(item);
    } else if (at.kind() == Kind::dict || detail::is_set(at.kind())) {
      for (const auto& [key, item] : at.entries()) visit(key), visit(item);
    }
  }
}

std::shared_ptr<SharedObject> ObjectTable::resolve(const Object& proxy) const {
  if (const auto token = token_of_proxy(proxy)) {
    const auto number = number_of(token->ident);
    const Entry* entry = number ? find(*number) : nullptr;
    if (entry != nullptr) return entry->object;
  }
  throw PythonError("TypeError", "a proxy of an object of this server is expected");
}

std::string ident_of(std::uint64_t number) { return fmt::format("{:x}", number); }

std::optional<std::uint64_t> number_of(const Object& ident) {
  if (ident.kind() != Kind::string) return std::nullopt;
  const std::string_view text = ident.as_utf8();
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

namespace {

constexpr std::string_view kManagers = "multiprocessing.managers";

bool is_made_by(const Object& value, std::string_view name) {
  return value.kind() == Kind::instance && value.callable().kind() == Kind::name &&
         value.callable().module() == kManagers && value.callable().qualified_name() == name;
}

}  // namespace

std::optional<TokenParts> token_from(const Object& value) {
  if (!is_made_by(value, "Token")) return std::nullopt;
  const Object& parts = value.state().is_none() ? value.arguments() : value.state();
  if (parts.kind() != Kind::tuple || parts.size() != 3) return std::nullopt;
  return TokenParts{parts.items()[0], parts.items()[1], parts.items()[2]};
}

Object make_token(const SharedType& type, const Object& address, std::uint64_t number) {
  return Object::instance(Object::name(kManagers, "Token"),
                          Object::tuple({type.name, address, ident_of(number)}));
}

std::optional<TokenParts> token_of_proxy(const Object& value) {
  if (!is_made_by(value, "RebuildProxy") || value.arguments().size() < 2) return std::nullopt;
  return token_from(value.arguments().items()[1]);
}

}  // namespace polyproc::inline v0
