// SPDX-License-Identifier: MIT
#include "manager/proxy_values.hpp"

#include <array>
#include <charconv>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "codec/node.hpp"

namespace polyproc::inline v0 {

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

Object make_token(std::string_view type, const Object& address, std::uint64_t number) {
  return Object::instance(Object::name(kManagers, "Token"), Object::tuple({type, address, ident_of(number)}));
}

std::optional<TokenParts> token_of_proxy(const Object& value) {
  if (!is_made_by(value, "RebuildProxy") || value.arguments().size() < 2) return std::nullopt;
  return token_from(value.arguments().items()[1]);
}

namespace {

std::string_view class_of(std::string_view type) noexcept {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kClasses{
      {{"list", "ListProxy"},
       {"dict", "DictProxy"},
       {"Value", "ValueProxy"},
       {"Array", "ArrayProxy"},
       {"Namespace", "NamespaceProxy"},
       {"Event", "EventProxy"},
       {"Lock", "AcquirerProxy"},
       {"RLock", "AcquirerProxy"},
       {"Semaphore", "AcquirerProxy"},
       {"BoundedSemaphore", "AcquirerProxy"},
       {"Condition", "ConditionProxy"},
       {"Barrier", "BarrierProxy"},
       {"Iterator", "IteratorProxy"}}};
  for (const auto& [name, its_class] : kClasses)
    if (name == type) return its_class;
  return "AutoProxy";
}

}  // namespace

Object make_proxy(std::string_view type, const Object& token, const Object& exposed) {
  const std::string_view its_class = class_of(type);
  Object keywords = Object::dict();
  if (its_class == "AutoProxy" && !exposed.is_none()) keywords.set("exposed", exposed);
  return Object::instance(Object::name(kManagers, "RebuildProxy"),
                          Object::tuple({Object::name(kManagers, its_class), token, "pickle", keywords}));
}

Object exposed_of_proxy(const Object& value) {
  const auto parts = value.arguments().items();
  if (parts.size() < 4 || parts[3].kind() != Kind::dict) return {};
  const Object* exposed = parts[3].find("exposed");
  return exposed != nullptr && exposed->kind() == Kind::tuple ? *exposed : Object();
}

Held::~Held() = default;

void hold(const Object& proxy, std::shared_ptr<const Held> held) {
  detail::instance(proxy).held = std::move(held);
}

std::shared_ptr<const Held> held_by(const Object& proxy) {
  return std::static_pointer_cast<const Held>(detail::instance(proxy).held);
}

void for_each_proxy(const Object& value,
                    const std::function<void(const Object& proxy, const TokenParts& token)>& visit) {
  std::unordered_set<const void*> seen;
  std::vector<Object> pending{value};
  const auto enter = [&](const Object& next) {
    if (detail::is_link(next.kind()) || detail::is_set(next.kind())) pending.push_back(next);
  };
  while (!pending.empty()) {
    const Object at = std::move(pending.back());
    pending.pop_back();
    if (!detail::ObjectAccess::counted(at) || !seen.insert(detail::ObjectAccess::node(at)).second) continue;
    if (at.kind() == Kind::instance) {
      if (const auto token = token_of_proxy(at)) {
        visit(at, *token);
        continue;
      }
    }
    if (detail::has_items(at.kind())) {
      for (const Object& item : detail::sequence(at).items) enter(item);
    } else if (at.kind() == Kind::dict || detail::is_set(at.kind())) {
      for (const auto& [key, item] : at.entries()) enter(key), enter(item);
    }
  }
}

}  // namespace polyproc::inline v0
