// SPDX-License-Identifier: MIT
#include "manager/object_table.hpp"

#include <cstring>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

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

std::uint64_t ObjectTable::random_start() {
  const auto bytes = random_bytes(sizeof(std::uint64_t));
  std::uint64_t start = 0;
  std::memcpy(&start, bytes.data(), sizeof start);
  return start >> 2;
}

// What objects hold of each other is given back while the table is there.
ObjectTable::~ObjectTable() {
  while (!entries_.empty()) {
    ended_.push_back(std::move(entries_.begin()->second.object));
    entries_.erase(entries_.begin());
  }
  drop_ended();
  types_.clear();  // they may share objects
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

void ObjectTable::adopt(const Object& value) {
  for_each_proxy(value, [&](const Object& proxy, const TokenParts& token) {
    const auto number = number_of(token.ident);
    if (number && find(*number) != nullptr && !held_by(proxy))
      hold(proxy, std::make_shared<const ObjectReference>(*this, *number));
  });
}

std::shared_ptr<SharedObject> ObjectTable::resolve(const Object& proxy) const {
  if (const auto token = token_of_proxy(proxy)) {
    const auto number = number_of(token->ident);
    const Entry* entry = number ? find(*number) : nullptr;
    if (entry != nullptr) return entry->object;
  }
  throw PythonError("TypeError", "a proxy of an object of this server is expected");
}

}  // namespace polyproc::inline v0
