// SPDX-License-Identifier: MIT
#include "manager/link.hpp"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <optional>

#include <polyproc/codec/codec.hpp>
#include <polyproc/codec/remote_error.hpp>

#include "manager/native_link.hpp"
#include "net/private_socket.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr const char* kServer = "the manager's server";

std::atomic<unsigned> generation{1};  // one more in each forked child

// Of the registry, and of all links' references. Held during fork(), so that a child finds both in order.
struct Links {
  std::mutex lock;
  std::vector<std::weak_ptr<Link>> all;
  std::mutex opening;  // no child is to wait for a connection that its parent's thread is making
};

Links& links() {
  static Links& all = *[] {
    PrivateSocket::see_forks();  // sockets are closed under our lock too
    auto* made = new Links();    // threads that end late may still use it
    ::pthread_atfork([] { links().lock.lock(); }, [] { links().lock.unlock(); },
                     [] {
                       generation.fetch_add(1, std::memory_order_relaxed);
                       new (&links().opening) std::mutex();
                       links().lock.unlock();
                     });
    return made;
  }();
  return all;
}

// "KeyError: 'x'" is what the last line of CPython's traceback says.
[[noreturn]] void throw_refusal(const std::string& text) {
  constexpr std::string_view kSpace = " \n-";
  const std::size_t end = text.find_last_not_of(kSpace);
  const std::size_t begin = end == std::string::npos ? end : text.rfind('\n', end);
  if (!text.starts_with("Traceback") || begin == std::string::npos)
    throw RemoteError(kServer, "RemoteError", text);
  const std::string last = text.substr(begin + 1, end - begin);
  const std::size_t colon = last.find(": ");
  throw RemoteError(kServer, last.substr(0, colon), colon == std::string::npos ? "" : last.substr(colon + 2),
                    text);
}

}  // namespace

PendingAnswer::~PendingAnswer() {
  if (!is_done()) return;
  if (tell_ == native::Tell::proxies) link_->seen(number_);
  if (tell_ == native::Tell::shared && !message_.empty()) {
    try {
      const std::uint64_t number = shared_number(pickle());
      link_->adopt(number);
      link_->decrease(number);
    } catch (const std::exception&) {  // a server that says what cannot be understood
    }
  }
}

namespace {

// (number, typeid, exposed methods)
Object shared_parts(std::span<const std::byte> pickle) {
  Object parts = decode_pickle<Object>(pickle);
  if (parts.kind() != Kind::tuple || parts.size() != 3) throw DecodeError("a shared object that is none", 0);
  return parts;
}

std::uint64_t number_in(const Object& parts) { return static_cast<std::uint64_t>(parts.items()[0].as_int()); }

}  // namespace

std::uint64_t shared_number(std::span<const std::byte> pickle) { return number_in(shared_parts(pickle)); }

void PendingAnswer::deliver(native::Tell tell, std::uint32_t number, std::vector<std::byte> message,
                            std::size_t offset) {
  tell_ = tell;
  number_ = number;
  message_ = std::move(message);
  offset_ = offset;
  done_.store(true, std::memory_order_release);
}

void PendingAnswer::raise_if_failed() const {
  if (tell_ == native::Tell::exception) raise_remote(decode_any(pickle()));
  if (tell_ != native::Tell::refusal) return;
  throw_refusal(decode_pickle<std::string>(pickle()));
}

std::span<const std::byte> PendingAnswer::value() const {
  raise_if_failed();
  if (is_shared()) throw TypeMismatch("manager: the call returns a shared object; take it as a proxy");
  return pickle();
}

Object PendingAnswer::take_shared() {
  raise_if_failed();
  if (!is_shared()) throw TypeMismatch("manager: the call returns a value, and no shared object");
  Object parts = shared_parts(pickle());
  link_->adopt(number_in(parts));
  message_.clear();
  offset_ = 0;
  return parts;
}

Link::Link(LinkOptions options)
    : options_(std::move(options)), generation_(generation.load(std::memory_order_relaxed)) {
  (void)links();  // forks are seen from here on
}
Link::~Link() = default;

bool Link::is_stale() const noexcept {
  return generation_.load(std::memory_order_acquire) != generation.load(std::memory_order_relaxed);
}

// The references of the parent are its own: a child takes one of each.
void Link::renew_after_fork() {
  if (!is_stale()) return;
  const std::lock_guard opening(links().opening);
  if (!is_stale()) return;
  reopen();
  std::vector<std::uint64_t> held;
  {
    const std::lock_guard lock(links().lock);
    for (const auto& [object, count] : references_) held.insert(held.end(), count, object);
  }
  for (const std::uint64_t object : held) send_increase(object);
  generation_.store(generation.load(std::memory_order_relaxed), std::memory_order_release);
}

void Link::adopt(std::uint64_t object) {
  const std::lock_guard lock(links().lock);
  ++references_[object];
}

void Link::increase(std::uint64_t object) {
  renew_after_fork();
  send_increase(object);
  adopt(object);
}

void Link::decrease(std::uint64_t object) noexcept {
  {
    const std::lock_guard lock(links().lock);
    const auto found = references_.find(object);
    if (found == references_.end()) return;
    if (--found->second == 0) references_.erase(found);
  }
  if (is_stale()) return;  // this process has taken none
  try {
    send_decrease(object);
  } catch (const std::exception&) {  // the server is gone, and the object with it
  }
}

std::shared_ptr<Link> open_link(LinkOptions options) {
  Links& all = links();
  const auto matching = [&]() -> std::shared_ptr<Link> {
    const std::lock_guard lock(all.lock);
    for (const auto& each : all.all) {
      auto link = each.lock();
      if (link && link->options().address == options.address && !link->is_broken() &&
          std::ranges::equal(link->options().key.bytes(), options.key.bytes()))
        return link;
    }
    return nullptr;
  };
  const std::lock_guard opening(all.opening);
  if (auto link = matching()) return link;
  auto link = make_link(std::move(options));
  const std::lock_guard lock(all.lock);
  std::erase_if(all.all, [](const auto& each) { return each.expired(); });
  all.all.push_back(link);
  return link;
}

std::shared_ptr<Link> find_link(const Object& token_address) {
  Links& all = links();
  std::vector<std::shared_ptr<Link>> candidates;  // compared, and maybe dropped, without the lock
  {
    const std::lock_guard lock(all.lock);
    for (const auto& each : all.all)
      if (auto link = each.lock()) candidates.push_back(std::move(link));
  }
  for (const auto& link : candidates)
    if (!link->is_broken() && link->token_address() == token_address) return link;
  return nullptr;
}

void encode_link(Encoder& out, const Link& link) {
  const LinkOptions& options = link.options();
  if (options.connect.tls)
    throw UsageError(
        "passing a manager or proxy to a new program: TLS's settings cannot go with it; call "
        "Manager::connect there");
  out.write_text(options.address.str());
  Transfer<std::vector<std::byte>>::encode(out, {options.key.bytes().begin(), options.key.bytes().end()});
  out.write_count(options.connect.allow_md5 ? 1 : 0);
}

std::shared_ptr<Link> decode_link(Decoder& in) {
  const Address address(in.read_text());
  const AuthKey key(Transfer<std::vector<std::byte>>::decode(in));
  return open_link({address, key, {.allow_md5 = in.read_count() != 0}});
}

Object address_object(const Address& address) {
  switch (address.family()) {
    case Address::Family::tcp:
      return Object::tuple({address.host(), address.port()});
    case Address::Family::unix_path:
      return Object(address.path());
    case Address::Family::unix_abstract:
      break;
  }
  return Object(std::string(1, '\0') + address.path());
}

std::uint32_t thread_number() noexcept {
  static std::atomic<std::uint32_t> last{0};
  thread_local const std::uint32_t mine = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return mine;
}

namespace {

std::string message_of(std::span<const Object> arguments) {
  std::string text;
  for (const Object& each : arguments) {
    if (!text.empty()) text += ", ";
    text += each.kind() == Kind::string ? each.as_string() : each.repr();
  }
  return text;
}

}  // namespace

void raise_remote(const Object& exception) {
  if (exception.kind() != Kind::instance || exception.callable().kind() != Kind::name ||
      exception.arguments().kind() != Kind::tuple)
    throw RemoteError(kServer, "Exception", exception.repr(), {}, exception);
  const std::string type(exception.callable().qualified_name());
  const std::string_view module = exception.callable().module();
  const auto arguments = exception.arguments().items();
  if (module == "queue" || module == "_queue") {
    if (type == "Empty") throw Empty("get from a manager's queue: it is empty");
    if (type == "Full") throw Full("put to a manager's queue: it is full");
    if (type == "ShutDown") throw ShutDown("a manager's queue was shut down");
  }
  if (type == "BrokenBarrierError") throw BrokenBarrier("waiting at a manager's barrier: it is broken");
  if (type == "EOFError") throw Closed(fmt::format("the manager's server ends: {}", message_of(arguments)));
  if (type == "OSError" && !arguments.empty() && arguments[0] == Object(EOWNERDEAD))
    throw OwnerDied(
        "acquiring a manager's lock: the client that held it is gone, and what it guards may be half "
        "changed; "
        "the lock is not held");
  throw RemoteError(kServer, type, message_of(arguments), {}, exception);
}

}  // namespace polyproc::inline v0
