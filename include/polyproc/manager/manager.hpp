// SPDX-License-Identifier: MIT
// Manager: a server process that holds objects, and this process's access to it.
//
//     polyproc::Manager manager;                                   // starts the server
//     auto records = manager.list<std::string>({"Sam", "Adam"});
//     polyproc::Process child(work, records);                      // void work(polyproc::ListProxy<std::string>)
//
//     auto remote = polyproc::Manager::connect("server:5000", key);   // uses one that runs elsewhere
//
// A copy names the same server. The server that a Manager has started ends with the last copy in the process that started it, and
// with that process, however it ends. Thread safety: any number of threads may use one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <polyproc/codec/remote_error.hpp>
#include <polyproc/manager/proxies.hpp>
#include <polyproc/manager/server.hpp>
#include <polyproc/manager/user_type.hpp>
#include <polyproc/net/listener.hpp>
#include <polyproc/process/start_method.hpp>

namespace polyproc::inline v0 {

struct ManagerOptions {
  // By default an abstract Unix socket's that nobody else has.
  std::optional<Address> address = {};
  std::optional<AuthKey> authkey = {};  // by default a random one
  std::optional<StartMethod> method = {};
  ServeOptions serve = {};  // `log` is for servers in this process
};

class Manager;
template <>
struct Transfer<Manager>;

class POLYPROC_API Manager {
 public:
  // Throws what Process::start does, and what the server says when it cannot listen.
  explicit Manager(ManagerOptions options = {});
  // Throws what connect_to does. A CPython manager's server does as well; then each thread has a connection.
  [[nodiscard]] static Manager connect(const Address& address, const AuthKey& authkey,
                                       ConnectOptions options = {});
  Manager(const Manager&) noexcept;
  Manager(Manager&&) noexcept;
  Manager& operator=(const Manager&) noexcept;
  Manager& operator=(Manager&&) noexcept;
  ~Manager();

  // Registers a class of the program's own (user_type.hpp), for all servers that this process starts from now on. Throws
  // InvalidArgument for a name that there is.
  template <class T>
  static UserTypeBuilder<T> type(std::string name) {
    auto registered = add_type(std::move(name));
    if constexpr (std::is_default_constructible_v<T>)
      registered->maker = std::make_shared<detail::UserConstructor<T>>();
    return UserTypeBuilder<T>(std::move(registered));
  }

  // An object of a registered type.
  template <class... A>
  [[nodiscard]] Proxy create(std::string_view type, const A&... arguments) const {
    Writer out;
    detail::write_arguments(out, std::string(type), arguments...);
    return create_from(out.bytes());
  }
  // What a type's factory shares under that name.
  [[nodiscard]] Proxy get(std::string_view name) const { return create(name); }

  template <class T = Object>
  [[nodiscard]] ListProxy<T> list(const std::vector<T>& items = {}) const {
    return ListProxy<T>(create("list", items));
  }
  template <class K = Object, class V = Object>
  [[nodiscard]] DictProxy<K, V> dict(const std::vector<std::pair<K, V>>& items = {}) const {
    return DictProxy<K, V>(create("dict", items));
  }
  template <class T = Object>
  [[nodiscard]] SetProxy<T> set(const std::vector<T>& elements = {}) const {
    return SetProxy<T>(create("set", elements));
  }
  template <class T>
  [[nodiscard]] ValueProxy<T> value(const T& initial) const {
    return ValueProxy<T>(create("Value", detail::typecode_of<T>(), initial));
  }
  template <class T>
  [[nodiscard]] ArrayProxy<T> array(const std::vector<T>& items) const {
    return ArrayProxy<T>(create("Array", detail::typecode_of<T>(), items));
  }
  [[nodiscard]] NamespaceProxy namespace_() const { return NamespaceProxy(create("Namespace")); }
  template <class T = Object>
  [[nodiscard]] QueueProxy<T> queue(std::size_t maxsize = 0) const {
    return QueueProxy<T>(create("Queue", maxsize));
  }
  template <class T = Object>
  [[nodiscard]] QueueProxy<T> joinable_queue(std::size_t maxsize = 0) const {
    return QueueProxy<T>(create("JoinableQueue", maxsize));
  }
  [[nodiscard]] EventProxy event() const { return EventProxy(create("Event")); }
  [[nodiscard]] LockProxy lock() const { return LockProxy(create("Lock")); }
  [[nodiscard]] LockProxy rlock() const { return LockProxy(create("RLock")); }
  [[nodiscard]] LockProxy semaphore(std::int64_t value = 1) const {
    return LockProxy(create("Semaphore", value));
  }
  [[nodiscard]] LockProxy bounded_semaphore(std::int64_t value = 1) const {
    return LockProxy(create("BoundedSemaphore", value));
  }
  [[nodiscard]] ConditionProxy condition() const { return ConditionProxy(create("Condition")); }
  // With a Lock or RLock of this manager.
  [[nodiscard]] ConditionProxy condition(const LockProxy& lock) const {
    return ConditionProxy(create("Condition", lock));
  }
  [[nodiscard]] BarrierProxy barrier(std::size_t parties, std::optional<double> seconds = {}) const {
    return BarrierProxy(create("Barrier", parties, Object(), seconds));
  }

  // Calls that are made between the two are sent together: call_async many, then take their futures.
  class POLYPROC_API Batch {
   public:
    explicit Batch(const Manager& manager);
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    ~Batch();

   private:
    std::shared_ptr<Link> link_;
  };

  [[nodiscard]] const Address& address() const;
  [[nodiscard]] const AuthKey& authkey() const;
  // How many objects the server holds, and a line about each.
  [[nodiscard]] std::size_t number_of_objects() const;
  [[nodiscard]] std::string debug_info() const;
  // Ends the server, also one that was connected to. Those who wait there get Closed.
  void shutdown() const;
  // Of a server that this process has started.
  [[nodiscard]] std::optional<pid_t> pid() const;

 private:
  friend struct Transfer<Manager>;
  struct Server;
  Manager(std::shared_ptr<Server> server, std::shared_ptr<Link> link) noexcept;
  [[nodiscard]] Proxy create_from(std::span<const std::byte> arguments) const;
  [[nodiscard]] Object control(std::string_view function) const;
  [[nodiscard]] static std::shared_ptr<detail::UserType> add_type(std::string name);

  std::shared_ptr<Server> server_;  // none: it was connected to
  std::shared_ptr<Link> link_;
};

// To a child, which connects to the same server.
template <>
struct POLYPROC_API Transfer<Manager> {
  static void encode(Encoder& out, const Manager& manager);
  static Manager decode(Decoder& in);
};

}  // namespace polyproc::inline v0
