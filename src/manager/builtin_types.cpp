// SPDX-License-Identifier: MIT
#include "manager/builtin_types.hpp"

#include <algorithm>

#include "manager/shared_dict.hpp"
#include "manager/shared_list.hpp"
#include "manager/shared_lock.hpp"
#include "manager/shared_queue.hpp"
#include "manager/shared_set.hpp"
#include "manager/shared_sync.hpp"
#include "manager/shared_value.hpp"

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
void add(ObjectTable& objects, std::string name, std::string proxy, SharedType::Factory make) {
  objects.add_type({std::move(name), exposed_of<T>(), std::move(make), std::move(proxy)});
}

template <class T>
std::shared_ptr<SharedObject> make_from_arguments(const Arguments& arguments, ObjectTable&) {
  return std::make_shared<T>(arguments);
}

template <SharedLock::Form F>
std::shared_ptr<SharedObject> make_lock(const Arguments& arguments, ObjectTable&) {
  (void)arguments.bind({});
  return std::make_shared<SharedLock>(F);
}

template <SharedSemaphore::Form F>
std::shared_ptr<SharedObject> make_semaphore(const Arguments& arguments, ObjectTable&) {
  return std::make_shared<SharedSemaphore>(F, arguments);
}

std::shared_ptr<SharedObject> make_event(const Arguments& arguments, ObjectTable&) {
  (void)arguments.bind({});
  return std::make_shared<SharedEvent>();
}

// Condition(lock=None): a Lock or RLock of this server, or an RLock of its own.
std::shared_ptr<SharedObject> make_condition(const Arguments& arguments, ObjectTable& objects) {
  const auto given = arguments.bind({{"lock", Object()}});
  if (given[0].is_none())
    return std::make_shared<SharedCondition>(std::make_shared<SharedLock>(SharedLock::Form::recursive));
  auto lock = std::dynamic_pointer_cast<SharedLock>(objects.resolve(given[0]));
  if (!lock) throw PythonError("TypeError", "Condition() takes a Lock or RLock of the same manager");
  return std::make_shared<SharedCondition>(std::move(lock));
}

}  // namespace

void add_builtin_types(ObjectTable& objects) {
  add<SharedList>(objects, "list", "ListProxy", make_from_arguments<SharedList>);
  add<SharedDict>(objects, "dict", "DictProxy", make_from_arguments<SharedDict>);
  add<SharedSet>(objects, "set", "SetProxy", make_from_arguments<SharedSet>);
  add<SharedValue>(objects, "Value", "ValueProxy", make_from_arguments<SharedValue>);
  add<SharedArray>(objects, "Array", "ArrayProxy", make_from_arguments<SharedArray>);
  add<SharedNamespace>(objects, "Namespace", "NamespaceProxy", make_from_arguments<SharedNamespace>);
  add<SharedQueue>(objects, "Queue", "AutoProxy", make_from_arguments<SharedQueue>);
  add<SharedQueue>(objects, "JoinableQueue", "AutoProxy", make_from_arguments<SharedQueue>);
  add<SharedEvent>(objects, "Event", "EventProxy", make_event);
  add<SharedLock>(objects, "Lock", "AcquirerProxy", make_lock<SharedLock::Form::plain>);
  add<SharedLock>(objects, "RLock", "AcquirerProxy", make_lock<SharedLock::Form::recursive>);
  add<SharedSemaphore>(objects, "Semaphore", "AcquirerProxy",
                       make_semaphore<SharedSemaphore::Form::unbounded>);
  add<SharedSemaphore>(objects, "BoundedSemaphore", "AcquirerProxy",
                       make_semaphore<SharedSemaphore::Form::bounded>);
  add<SharedCondition>(objects, "Condition", "ConditionProxy", make_condition);
  add<SharedBarrier>(objects, "Barrier", "BarrierProxy", make_from_arguments<SharedBarrier>);
  add<SharedIterator>(objects, "Iterator", "IteratorProxy", {});
}

}  // namespace polyproc::inline v0
