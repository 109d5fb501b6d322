// SPDX-License-Identifier: MIT
#include <polyproc/manager/proxies.hpp>

#include <ostream>

#include <polyproc/os/error.hpp>

#include "manager/link.hpp"
#include "manager/proxy_values.hpp"
#include "manager/python_array.hpp"

namespace polyproc::inline v0 {

// Held by proxies, and by values that hold proxies.
struct Proxy::Reference : Held {
  // `adopted`: this process has the reference already.
  Reference(std::shared_ptr<Link> l, std::uint64_t n, std::string t, Object e, bool adopted)
      : link(std::move(l)), number(n), type(std::move(t)), exposed(std::move(e)) {
    if (!adopted) link->increase(number);
  }
  ~Reference() override { link->decrease(number); }

  [[nodiscard]] Object token() const { return make_token(type, link->token_address(), number); }
  [[nodiscard]] const std::vector<std::string>& methods() const;

  const std::shared_ptr<Link> link;
  const std::uint64_t number;
  const std::string type;
  const Object exposed;  // None where it is not known

 private:
  mutable std::once_flag asked_;
  mutable std::vector<std::string> methods_;
};

const std::vector<std::string>& Proxy::Reference::methods() const {
  std::call_once(asked_, [this] {
    Object names = exposed;
    if (names.is_none()) {
      Writer out;
      detail::write_arguments(out, token());
      auto answer = link->start(native::Ask::control, 0, "get_methods", out.bytes());
      (void)link->wait(*answer, Deadline::never());
      names = detail::Answered(std::move(answer)).as<Object>();
    }
    for (const Object& each : names.items()) methods_.push_back(each.as_string());
  });
  return methods_;
}

namespace detail {

Answered::Answered(std::shared_ptr<PendingAnswer> answer) noexcept : answer_(std::move(answer)) {}
Answered::Answered(Answered&&) noexcept = default;
Answered& Answered::operator=(Answered&&) noexcept = default;
Answered::~Answered() = default;

std::span<const std::byte> Answered::pickle() const { return answer_->value(); }

namespace {
// That an answer came through, while this thread decodes it.
thread_local Link* current_link = nullptr;
}  // namespace

Answered::Scope::Scope(const Answered& answered)
    : before_(std::exchange(current_link, &answered.answer_->link())) {}
Answered::Scope::~Scope() { current_link = before_; }

}  // namespace detail

Proxy::Proxy() noexcept = default;
Proxy::Proxy(const Proxy&) noexcept = default;
Proxy::Proxy(Proxy&&) noexcept = default;
Proxy& Proxy::operator=(const Proxy&) noexcept = default;
Proxy& Proxy::operator=(Proxy&&) noexcept = default;
Proxy::~Proxy() = default;
Proxy::Proxy(std::shared_ptr<Reference> reference) noexcept : reference_(std::move(reference)) {}

namespace {

// The link by which a proxy that was read in a value is used; null when there is none.
std::shared_ptr<Link> link_for(const TokenParts& token) {
  Link* const current = detail::current_link;
  if (current != nullptr && current->token_address() == token.address) return current->shared_from_this();
  return find_link(token.address);
}

}  // namespace

// Proxies in it hold references, as far as their servers are known here.
Object detail::Answered::object() const {
  Object value = decode_any(pickle());
  const Scope scope(*this);
  for_each_proxy(value, [](const Object& proxy, const TokenParts& token) {
    const auto number = number_of(token.ident);
    auto link = link_for(token);
    if (number && link && token.typeid_name.kind() == Kind::string)
      hold(proxy, std::make_shared<Proxy::Reference>(std::move(link), *number, token.typeid_name.as_string(),
                                                     exposed_of_proxy(proxy), false));
  });
  return value;
}

bool Proxy::is_proxy(const Object& value) { return token_of_proxy(value).has_value(); }

Proxy::Proxy(const Object& value) {
  const auto token = token_of_proxy(value);
  const auto number = token ? number_of(token->ident) : std::nullopt;
  if (!number || token->typeid_name.kind() != Kind::string)
    throw TypeMismatch(fmt::format("a proxy is expected, and there is {}", kind_name(value.kind())));
  if (auto held = std::dynamic_pointer_cast<const Reference>(held_by(value))) {
    reference_ = std::const_pointer_cast<Reference>(std::move(held));
    return;
  }
  auto link = link_for(*token);
  if (!link)
    throw UsageError(
        fmt::format("receiving a proxy of an object in the manager's server at {}: this process has no "
                    "connection to it; call Manager::connect first",
                    token->address.repr()));
  reference_ = std::make_shared<Reference>(std::move(link), *number, token->typeid_name.as_string(),
                                           exposed_of_proxy(value), false);
}

const Proxy::Reference& Proxy::reference() const {
  if (!reference_) throw UsageError("using a proxy: it names no object, or was moved from");
  return *reference_;
}

const std::string& Proxy::type() const { return reference().type; }
const std::vector<std::string>& Proxy::methods() const { return reference().methods(); }

std::shared_ptr<PendingAnswer> Proxy::start(std::string_view method, std::span<const std::byte> arguments,
                                            bool by_name) const {
  const Reference& to = reference();
  return to.link->start(by_name ? native::Ask::call_by_name : native::Ask::call, to.number, method,
                        arguments);
}

Proxy Proxy::shared_from(std::shared_ptr<PendingAnswer> answer) {
  const auto link = answer->link().shared_from_this();
  (void)link->wait(*answer, Deadline::never());
  const Object parts = answer->take_shared();
  return Proxy(std::make_shared<Reference>(link, static_cast<std::uint64_t>(parts.items()[0].as_int()),
                                           parts.items()[1].as_string(), parts.items()[2], true));
}

Object Proxy::to_object() const {
  const Reference& to = reference();
  return make_proxy(to.type, to.token(), to.exposed);
}

bool operator==(const Proxy& a, const Proxy& b) noexcept {
  if (!a.reference_ || !b.reference_) return a.reference_ == b.reference_;
  return a.reference_->number == b.reference_->number && a.reference_->link == b.reference_->link;
}

std::ostream& operator<<(std::ostream& out, const Proxy& proxy) { return out << proxy.str(); }

// With what the child needs to connect: it is trusted with the key.
void Proxy::encode(Encoder& out) const {
  encode_link(out, *reference().link);
  const auto bytes = to_pickle(to_object());
  out.write_count(bytes.size());
  out.write(bytes);
}

Proxy Proxy::decode(Decoder& in) {
  const auto link = decode_link(in);
  const std::uint64_t size = in.read_length(1);
  return Proxy(decode_any(in.read(size)));
}

namespace detail {

Object make_slice(std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
                  std::optional<std::int64_t> step) {
  const auto part = [](std::optional<std::int64_t> value) { return value ? Object(*value) : Object(); };
  return Object::instance(Object::name("builtins", "slice"),
                          Object::tuple({part(start), part(stop), part(step)}));
}

std::vector<Object> array_elements(const Object& array) {
  auto found = PythonArray::from(array);
  if (!found)
    throw TypeMismatch(fmt::format("an array.array is expected, and there is {}", kind_name(array.kind())));
  return std::move(found->items);
}

}  // namespace detail

bool FutureBase::ready() const { return wait_until(Deadline::now()); }

bool FutureBase::wait_until(Deadline deadline) const {
  if (!answer_) throw UsageError("waiting for a manager's answer: it was taken already");
  return answer_->is_done() || answer_->link().wait(*answer_, deadline);
}

detail::Answered FutureBase::take() {
  wait();
  return detail::Answered(std::move(answer_));
}

}  // namespace polyproc::inline v0
