// SPDX-License-Identifier: MIT
#include "manager/builtin_types.hpp"

#include <algorithm>

#include "manager/dict_object.hpp"
#include "manager/list_object.hpp"
#include "manager/lock_objects.hpp"
#include "manager/queue_object.hpp"
#include "manager/set_object.hpp"
#include "manager/sync_objects.hpp"
#include "manager/value_objects.hpp"

namespace polyproc::inline v0 {
namespace {

// All methods that a class has are exposed, in a fixed order.
template <class T>
std::vector<std::string> exposed_of() {
  std::vector<std::string> names;
  for (const auto& [name, method] : T::methods()) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

template <class T>
void add(ObjectTable& objects, std::string name, SharedType::Factory make) {
  objects.add_type({std::move(name), exposed_of<T>(), std::move(make)});
}

template <class T>
std::shared_ptr<SharedObject> make_from_arguments(const Arguments& arguments, ObjectTable&) {
  return std::make_shared<T>(arguments);
}

template <LockObject::Form F>
std::shared_ptr<SharedObject> make_lock(const Arguments& arguments, ObjectTable&) {
  (void)arguments.bind({});
  return std::make_shared<LockObject>(F);
}

template <SemaphoreObject::Form F>
std::shared_ptr<SharedObject> make_semaphore(const Arguments& arguments, ObjectTable&) {
  return std::make_shared<SemaphoreObject>(F, arguments);
}

std::shared_ptr<SharedObject> make_event(const Arguments& arguments, ObjectTable&) {
  (void)arguments.bind({});
  return std::make_shared<EventObject>();
}

// Condition(lock=None): a Lock or RLock of this server, or an RLock of its own.
std::shared_ptr<SharedObject> make_condition(const Arguments& arguments, ObjectTable& objects) {
  const auto given = arguments.bind({{"lock", Object()}});
  if (given[0].is_none())
    return std::make_shared<ConditionObject>(std::make_shared<LockObject>(LockObject::Form::recursive));
  auto lock = std::dynamic_pointer_cast<LockObject>(objects.resolve(given[0]));
  if (!lock) throw PythonError("TypeError", "Condition() takes a Lock or RLock of the same manager");
  return std::make_shared<ConditionObject>(std::move(lock));
}

}  // namespace

void add_builtin_types(ObjectTable& objects) {
  add<ListObject>(objects, "list", make_from_arguments<ListObject>);
  add<DictObject>(objects, "dict", make_from_arguments<DictObject>);
  add<SetObject>(objects, "set", make_from_arguments<SetObject>);
  add<ValueObject>(objects, "Value", make_from_arguments<ValueObject>);
  add<ArrayObject>(objects, "Array", make_from_arguments<ArrayObject>);
  add<NamespaceObject>(objects, "Namespace", make_from_arguments<NamespaceObject>);
  add<QueueObject>(objects, "Queue", make_from_arguments<QueueObject>);
  add<QueueObject>(objects, "JoinableQueue", make_from_arguments<QueueObject>);
  add<EventObject>(objects, "Event", make_event);
  add<LockObject>(objects, "Lock", make_lock<LockObject::Form::plain>);
  add<LockObject>(objects, "RLock", make_lock<LockObject::Form::recursive>);
  add<SemaphoreObject>(objects, "Semaphore", make_semaphore<SemaphoreObject::Form::unbounded>);
  add<SemaphoreObject>(objects, "BoundedSemaphore", make_semaphore<SemaphoreObject::Form::bounded>);
  add<ConditionObject>(objects, "Condition", make_condition);
  add<BarrierObject>(objects, "Barrier", make_from_arguments<BarrierObject>);
  add<IteratorObject>(objects, "Iterator", {});
}

}  // namespace polyproc::inline v0
