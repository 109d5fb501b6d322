// SPDX-License-Identifier: MIT
// Proxies of the types that every manager's server has. Their methods are Python's; each is one call, and atomic. Errors are
// Python's too: RemoteError with type() "IndexError", "KeyError", "ValueError", "TypeError".
//
// T, K and V are any encodable types; with Object, a proxy takes what Python takes. Methods that wait take no thread of the
// server. Thread safety: any number of threads may use one; locks and conditions belong to the thread that has acquired them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <polyproc/manager/proxy.hpp>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {

namespace detail {

// Seconds, as Python has them; None for ever.
[[nodiscard]] inline std::optional<double> seconds_of(Deadline deadline) {
  if (deadline.is_never()) return std::nullopt;
  return std::chrono::duration<double>(deadline.remaining(std::chrono::hours(1'000'000))).count();
}

[[nodiscard]] POLYPROC_API Object make_slice(std::optional<std::int64_t> start,
                                             std::optional<std::int64_t> stop,
                                             std::optional<std::int64_t> step);

// Python's typecode of a number; "O" for all else.
template <class T>
[[nodiscard]] constexpr std::string_view typecode_of() noexcept {
  if constexpr (std::is_same_v<T, double>) return "d";
  if constexpr (std::is_same_v<T, float>) return "f";
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    constexpr std::string_view kSigned[]{"b", "h", "i", "q"}, kUnsigned[]{"B", "H", "I", "Q"};
    constexpr int kWidth = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return std::is_signed_v<T> ? kSigned[kWidth] : kUnsigned[kWidth];
  }
  return "O";
}

// Of an array.array. Throws TypeMismatch.
[[nodiscard]] POLYPROC_API std::vector<Object> array_elements(const Object& array);

template <class T>
[[nodiscard]] T number_from(const Object& value) {
  if (value.kind() == Kind::floating) return static_cast<T>(value.as_double());
  if constexpr (std::is_same_v<T, std::uint64_t>)
    return value.as_integer().to_uint64().value_or(0);
  else
    return static_cast<T>(value.as_int());
}

// A set's elements, in their order.
template <class T>
struct Elements {
  std::vector<T> all;
};

// What a range-for goes through: a copy, made by one call.
template <class T>
class Snapshot {
 public:
  class Iterator {
   public:
    using value_type = T;
    using reference = const T&;
    using pointer = const T*;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;
    Iterator() noexcept = default;
    explicit Iterator(std::vector<T> items)
        : items_(std::make_shared<const std::vector<T>>(std::move(items))) {}
    reference operator*() const { return (*items_)[at_]; }
    pointer operator->() const { return &(*items_)[at_]; }
    Iterator& operator++() noexcept {
      ++at_;
      return *this;
    }
    void operator++(int) noexcept { ++at_; }
    friend bool operator==(const Iterator& a, std::default_sentinel_t) noexcept {
      return a.items_ == nullptr || a.at_ == a.items_->size();
    }

   private:
    std::shared_ptr<const std::vector<T>> items_;
    std::size_t at_ = 0;
  };
};

}  // namespace detail

template <class T>
struct Codec<detail::Elements<T>> {
  static void write(Writer& out, const detail::Elements<T>& set) {
    out.begin_set();
    for (const T& each : set.all) Codec<T>::write(out, each);
    out.end_set();
  }
  static detail::Elements<T> read(Reader& in) {
    detail::Elements<T> set;
    in.read_set([&] { set.all.push_back(Codec<T>::read(in)); });
    return set;
  }
};

template <class T = Object>
class ListProxy : public Proxy {
 public:
  using value_type = T;
  ListProxy() noexcept = default;
  explicit ListProxy(Proxy proxy) noexcept : Proxy(std::move(proxy)) {}

  void append(const T& item) const { (void)call("append", item); }
  void extend(const std::vector<T>& items) const { (void)call("extend", items); }
  const ListProxy& operator+=(const std::vector<T>& items) const {
    extend(items);
    return *this;
  }
  void insert(std::int64_t index, const T& item) const { (void)call("insert", index, item); }
  T pop(std::int64_t index = -1) const { return call<T>("pop", index); }
  void remove(const T& item) const { (void)call("remove", item); }
  void clear() const { erase_slice({}, {}); }  // CPython's own lists have no clear() before 3.14
  void reverse() const { (void)call("reverse"); }
  void sort(bool reverse = false) const {
    (void)call_by_name("sort", Object::tuple(), Object::dict({{"reverse", reverse}}));
  }
  [[nodiscard]] std::size_t size() const { return call<std::size_t>("__len__"); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] bool contains(const T& item) const { return call<bool>("__contains__", item); }
  [[nodiscard]] std::size_t count(const T& item) const { return call<std::size_t>("count", item); }
  [[nodiscard]] std::size_t index(const T& item) const { return call<std::size_t>("index", item); }

  // Negative indices count from the end.
  [[nodiscard]] T operator[](std::int64_t index) const { return call<T>("__getitem__", index); }
  [[nodiscard]] T at(std::int64_t index) const { return call<T>("__getitem__", index); }
  void set(std::int64_t index, const T& item) const { (void)call("__setitem__", index, item); }
  void erase(std::int64_t index) const { (void)call("__delitem__", index); }
  // Python's [start:stop:step].
  [[nodiscard]] std::vector<T> slice(std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
                                     std::optional<std::int64_t> step = {}) const {
    return call<std::vector<T>>("__getitem__", detail::make_slice(start, stop, step));
  }
  void set_slice(std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
                 const std::vector<T>& items) const {
    (void)call("__setitem__", detail::make_slice(start, stop, {}), items);
  }
  void erase_slice(std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
                   std::optional<std::int64_t> step = {}) const {
    (void)call("__delitem__", detail::make_slice(start, stop, step));
  }
  // All of it.
  [[nodiscard]] std::vector<T> values() const { return call<std::vector<T>>("#GETVALUE"); }
  [[nodiscard]] auto begin() const { return typename detail::Snapshot<T>::Iterator(slice({}, {})); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
};

template <class K = Object, class V = Object>
class DictProxy : public Proxy {
 public:
  using key_type = K;
  using mapped_type = V;
  using value_type = std::pair<K, V>;
  DictProxy() noexcept = default;
  explicit DictProxy(Proxy proxy) noexcept : Proxy(std::move(proxy)) {}

  // The value of a key, to be read or assigned.
  class Item {
   public:
    Item(const DictProxy& dict, K key) : dict_(dict), key_(std::move(key)) {}
    operator V() const { return dict_.at(key_); }
    const Item& operator=(const V& value) const {
      dict_.set(key_, value);
      return *this;
    }

   private:
    const DictProxy& dict_;
    K key_;
  };
  [[nodiscard]] Item operator[](K key) const { return Item(*this, std::move(key)); }
  [[nodiscard]] V at(const K& key) const { return call<V>("__getitem__", key); }
  void set(const K& key, const V& value) const { (void)call("__setitem__", key, value); }
  // As Python's `del`: RemoteError (KeyError) when it is not there.
  void erase(const K& key) const { (void)call("__delitem__", key); }
  [[nodiscard]] bool contains(const K& key) const { return call<bool>("__contains__", key); }
  [[nodiscard]] std::optional<V> get(const K& key) const { return call<std::optional<V>>("get", key); }
  [[nodiscard]] V get(const K& key, const V& otherwise) const { return call<V>("get", key, otherwise); }
  V pop(const K& key) const { return call<V>("pop", key); }
  V pop(const K& key, const V& otherwise) const { return call<V>("pop", key, otherwise); }
  std::pair<K, V> popitem() const { return call<std::pair<K, V>>("popitem"); }
  V setdefault(const K& key, const V& value) const { return call<V>("setdefault", key, value); }
  void update(const std::vector<std::pair<K, V>>& items) const { (void)call("update", items); }
  void clear() const { (void)call("clear"); }
  [[nodiscard]] std::size_t size() const { return call<std::size_t>("__len__"); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  // In the order of their insertion.
  [[nodiscard]] std::vector<K> keys() const { return call<std::vector<K>>("keys"); }
  [[nodiscard]] std::vector<V> values() const { return call<std::vector<V>>("values"); }
  [[nodiscard]] std::vector<std::pair<K, V>> items() const {
    return call<std::vector<std::pair<K, V>>>("items");
  }
  [[nodiscard]] auto begin() const { return typename detail::Snapshot<std::pair<K, V>>::Iterator(items()); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
};

template <class T = Object>
class SetProxy : public Proxy {
 public:
  using value_type = T;
  SetProxy() noexcept = default;
  explicit SetProxy(Proxy proxy) noexcept : Proxy(std::move(proxy)) {}

  void add(const T& element) const { (void)call("add", element); }
  void discard(const T& element) const { (void)call("discard", element); }
  void remove(const T& element) const { (void)call("remove", element); }
  T pop() const { return call<T>("pop"); }
  void clear() const { (void)call("clear"); }
  void update(const std::vector<T>& elements) const { (void)call("update", elements); }
  void intersection_update(const std::vector<T>& elements) const {
    (void)call("intersection_update", elements);
  }
  void difference_update(const std::vector<T>& elements) const { (void)call("difference_update", elements); }
  [[nodiscard]] bool contains(const T& element) const { return call<bool>("__contains__", element); }
  [[nodiscard]] bool issubset(const std::vector<T>& elements) const {
    return call<bool>("issubset", elements);
  }
  [[nodiscard]] bool issuperset(const std::vector<T>& elements) const {
    return call<bool>("issuperset", elements);
  }
  [[nodiscard]] bool isdisjoint(const std::vector<T>& elements) const {
    return call<bool>("isdisjoint", elements);
  }
  [[nodiscard]] std::size_t size() const { return call<std::size_t>("__len__"); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  // In the order of their insertion.
  [[nodiscard]] std::vector<T> values() const { return call<detail::Elements<T>>("#GETVALUE").all; }
  [[nodiscard]] auto begin() const { return typename detail::Snapshot<T>::Iterator(values()); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
};

template <class T = Object>
class ValueProxy : public Proxy {
 public:
  using value_type = T;
  ValueProxy() noexcept = default;
  explicit ValueProxy(Proxy proxy) noexcept : Proxy(std::move(proxy)) {}

  [[nodiscard]] T get() const { return call<T>("get"); }
  void set(const T& value) const { (void)call("set", value); }
  operator T() const { return get(); }
  const ValueProxy& operator=(const T& value) const {
    set(value);
    return *this;
  }
};

// Of numbers that Python's array.array has: its typecode follows from T.
template <class T = double>
class ArrayProxy : public Proxy {
 public:
  using value_type = T;
  ArrayProxy() noexcept = default;
  explicit ArrayProxy(Proxy proxy) noexcept : Proxy(std::move(proxy)) {}

  [[nodiscard]] std::size_t size() const { return call<std::size_t>("__len__"); }
  [[nodiscard]] T operator[](std::int64_t index) const { return call<T>("__getitem__", index); }
  [[nodiscard]] T at(std::int64_t index) const { return call<T>("__getitem__", index); }
  void set(std::int64_t index, const T& value) const { (void)call("__setitem__", index, value); }
  // Python's [start:stop:step].
  [[nodiscard]] std::vector<T> slice(std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
                                     std::optional<std::int64_t> step = {}) const {
    std::vector<T> numbers;
    for (const Object& each :
         detail::array_elements(call("__getitem__", detail::make_slice(start, stop, step))))
      numbers.push_back(detail::number_from<T>(each));
    return numbers;
  }
  [[nodiscard]] std::vector<T> values() const { return slice({}, {}); }
  [[nodiscard]] auto begin() const { return typename detail::Snapshot<T>::Iterator(values()); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
};

class POLYPROC_API NamespaceProxy : public Proxy {
 public:
  NamespaceProxy() noexcept = default;
  explicit NamespaceProxy(Proxy proxy) noexcept : Proxy(std::move(proxy)) {}

  template <class T = Object>
  [[nodiscard]] T get(std::string_view name) const {
    return call<T>("__getattribute__", name);
  }
  template <class T>
  void set(std::string_view name, const T& value) const {
    (void)call("__setattr__", name, value);
  }
  void erase(std::string_view name) const { (void)call("__delattr__", name); }
};

template <class T = Object>
class QueueProxy : public Proxy {
 public:
  using value_type = T;
  QueueProxy() noexcept = default;
  explicit QueueProxy(Proxy proxy) noexcept : Proxy(std::move(proxy)) {}

  // Each throws ShutDown when the queue is.
  void put(const T& item) const { (void)call("put", item); }
  [[nodiscard]] bool try_put(const T& item) const { return put_until(item, Deadline::now()); }
  template <class Rep, class Period>
  [[nodiscard]] bool put_for(const T& item, const std::chrono::duration<Rep, Period>& timeout) const {
    return put_until(item, Deadline::after(timeout));
  }
  [[nodiscard]] bool put_until(const T& item, Deadline deadline) const {
    try {
      (void)call("put", item, !deadline.is_now(),
                 deadline.is_now() ? std::nullopt : detail::seconds_of(deadline));
      return true;
    } catch (const Full&) {
      return false;
    }
  }
  T get() const { return call<T>("get"); }
  [[nodiscard]] std::optional<T> try_get() const { return get_until(Deadline::now()); }
  template <class Rep, class Period>
  [[nodiscard]] std::optional<T> get_for(const std::chrono::duration<Rep, Period>& timeout) const {
    return get_until(Deadline::after(timeout));
  }
  [[nodiscard]] std::optional<T> get_until(Deadline deadline) const {
    try {
      return call<T>("get", !deadline.is_now(),
                     deadline.is_now() ? std::nullopt : detail::seconds_of(deadline));
    } catch (const Empty&) {
      return std::nullopt;
    }
  }
  [[nodiscard]] std::size_t qsize() const { return call<std::size_t>("qsize"); }
  [[nodiscard]] bool empty() const { return call<bool>("empty"); }
  [[nodiscard]] bool full() const { return call<bool>("full"); }
  void shutdown(bool immediate = false) const { (void)call("shutdown", immediate); }
  // For who has got an item and is done with it; join() waits until that is said of each.
  void task_done() const { (void)call("task_done"); }
  void join() const { (void)call("join"); }
};

class POLYPROC_API EventProxy : public Proxy {
 public:
  EventProxy() noexcept = default;
  explicit EventProxy(Proxy proxy) noexcept : Proxy(std::move(proxy)) {}

  [[nodiscard]] bool is_set() const { return call<bool>("is_set"); }
  void set() const { (void)call("set"); }
  void clear() const { (void)call("clear"); }
  void wait() const { (void)call("wait"); }
  // Whether it is set.
  [[nodiscard]] bool wait_until(Deadline deadline) const {
    return call<bool>("wait", detail::seconds_of(deadline));
  }
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(const std::chrono::duration<Rep, Period>& timeout) const {
    return wait_until(Deadline::after(timeout));
  }
};

// Lock, RLock, Semaphore and BoundedSemaphore: std::unique_lock, std::scoped_lock and the like take it. The lock of a client that
// goes while it holds it is free; the next who acquires it is told, once, by OwnerDied.
class POLYPROC_API LockProxy : public Proxy {
 public:
  LockProxy() noexcept = default;
  explicit LockProxy(Proxy proxy) noexcept : Proxy(std::move(proxy)) {}

  bool acquire() const { return call<bool>("acquire"); }
  [[nodiscard]] bool acquire_until(Deadline deadline) const {
    if (deadline.is_now()) return call<bool>("acquire", false);
    return call<bool>("acquire", true, detail::seconds_of(deadline));
  }
  void release() const { (void)call("release"); }

  void lock() const { (void)acquire(); }
  void unlock() const { release(); }
  [[nodiscard]] bool try_lock() const { return acquire_until(Deadline::now()); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(const std::chrono::duration<Rep, Period>& timeout) const {
    return acquire_until(Deadline::after(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(const std::chrono::time_point<Clock, Duration>& when) const {
    return acquire_until(Deadline::at(when));
  }
};

class POLYPROC_API ConditionProxy : public LockProxy {
 public:
  using LockProxy::LockProxy;

  // The lock is held before and after.
  void wait() const { (void)call("wait"); }
  // False at the deadline.
  [[nodiscard]] bool wait_until(Deadline deadline) const {
    return call<bool>("wait", detail::seconds_of(deadline));
  }
  template <class Rep, class Period>
  [[nodiscard]] bool wait_for(const std::chrono::duration<Rep, Period>& timeout) const {
    return wait_until(Deadline::after(timeout));
  }
  template <class Predicate>
  void wait(Predicate done) const {
    while (!done()) wait();
  }
  void notify(std::size_t count = 1) const { (void)call("notify", count); }
  void notify_all() const { (void)call("notify_all"); }
};

class POLYPROC_API BarrierProxy : public Proxy {
 public:
  BarrierProxy() noexcept = default;
  explicit BarrierProxy(Proxy proxy) noexcept : Proxy(std::move(proxy)) {}

  // The place of arrival, from 0. Throws BrokenBarrier.
  std::size_t wait() const { return call<std::size_t>("wait"); }
  // The deadline breaks it for all.
  std::size_t wait_until(Deadline deadline) const {
    return call<std::size_t>("wait", detail::seconds_of(deadline));
  }
  void reset() const { (void)call("reset"); }
  void abort() const { (void)call("abort"); }
  [[nodiscard]] std::size_t parties() const { return call<std::size_t>("__getattribute__", "parties"); }
  [[nodiscard]] std::size_t n_waiting() const { return call<std::size_t>("__getattribute__", "n_waiting"); }
  [[nodiscard]] bool broken() const { return call<bool>("__getattribute__", "broken"); }
};

}  // namespace polyproc::inline v0
