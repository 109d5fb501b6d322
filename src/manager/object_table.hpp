// SPDX-License-Identifier: MIT
// The objects that a server holds, by number, and how many references clients and other objects have to each.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "manager/proxy_values.hpp"
#include "manager/shared_object.hpp"

namespace polyproc::inline v0 {

class ObjectTable;

// What makes objects of one type.
struct SharedType {
  using Factory =
      std::function<std::shared_ptr<SharedObject>(const Arguments& arguments, ObjectTable& objects)>;
  std::string name;  // Python's typeid
  // The methods that clients may call.
  std::vector<std::string> exposed;
  Factory make;  // none: clients cannot make it, only get it from a method
};

// One reference, given back at the end.
class ObjectReference : public Held {
 public:
  ObjectReference(ObjectTable& table, std::uint64_t number);
  ObjectReference(const ObjectReference&) = delete;
  ObjectReference& operator=(const ObjectReference&) = delete;
  ~ObjectReference() override;
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] ObjectTable& table() const noexcept { return table_; }

 private:
  ObjectTable& table_;
  std::uint64_t number_;
};

class ObjectTable {
 public:
  struct Entry {
    std::shared_ptr<SharedObject> object;
    const SharedType* type;
    std::uint64_t references;
  };

  // `first`: the first object's number.
  explicit ObjectTable(std::uint64_t first = random_start()) noexcept : next_(first) {}
  ObjectTable(const ObjectTable&) = delete;
  ObjectTable& operator=(const ObjectTable&) = delete;
  ~ObjectTable();

  // Throws InvalidArgument for a name that is there.
  void add_type(SharedType type);
  [[nodiscard]] const SharedType* find_type(std::string_view name) const;

  // With one more reference: an object that is here already keeps its number.
  std::uint64_t add(const SharedType& type, std::shared_ptr<SharedObject> object);
  [[nodiscard]] const Entry* find(std::uint64_t number) const;
  void increase(std::uint64_t number);
  // The last reference ends the object, once the call that is under way is done.
  void decrease(std::uint64_t number) noexcept;
  void drop_ended() noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  // Of values that hold a reference.
  [[nodiscard]] std::size_t nested() const noexcept { return nested_; }
  // A line for each object.
  [[nodiscard]] std::string describe() const;

  // Lets those proxies in a value that name objects of this table hold a reference.
  void adopt(const Object& value);
  // The object that an adopted proxy names. Throws PythonError (TypeError) for anything else.
  [[nodiscard]] std::shared_ptr<SharedObject> resolve(const Object& proxy) const;

 private:
  friend class ObjectReference;
  // Where the numbers of another server are not likely to be, so that a proxy of another one is not taken for ours.
  [[nodiscard]] static std::uint64_t random_start();
  std::map<std::string, SharedType, std::less<>> types_;
  std::unordered_map<std::uint64_t, Entry> entries_;
  std::unordered_map<const SharedObject*, std::uint64_t> numbers_;
  std::vector<std::shared_ptr<SharedObject>> ended_;
  std::uint64_t next_;
  std::size_t nested_ = 0;
};

}  // namespace polyproc::inline v0
