// SPDX-License-Identifier: MIT
// Proxies inside of values, as CPython pickles them: RebuildProxy(class, Token(typeid, address, ident), serializer, keywords).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <polyproc/codec/object.hpp>

namespace polyproc::inline v0 {

// Python's names of objects: hexadecimal.
[[nodiscard]] std::string ident_of(std::uint64_t number);
[[nodiscard]] std::optional<std::uint64_t> number_of(const Object& ident);

// (typeid, address, ident): what a proxy is made of.
struct TokenParts {
  Object typeid_name, address, ident;
};
// Nothing for what is no multiprocessing.managers.Token.
[[nodiscard]] std::optional<TokenParts> token_from(const Object& value);
[[nodiscard]] Object make_token(std::string_view type, const Object& address, std::uint64_t number);
// The token of a proxy, as it is pickled: RebuildProxy(class, token, ...).
[[nodiscard]] std::optional<TokenParts> token_of_proxy(const Object& value);
// The proxy that Python makes of a token: `exposed` are its methods, a tuple.
[[nodiscard]] Object make_proxy(std::string_view type, const Object& token, const Object& exposed);
// A tuple of names, or None where the value does not say.
[[nodiscard]] Object exposed_of_proxy(const Object& value);

// What lives as long as a proxy in a value does: its reference.
struct Held {
  Held() = default;
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  virtual ~Held();
};
void hold(const Object& proxy, std::shared_ptr<const Held> held);
[[nodiscard]] std::shared_ptr<const Held> held_by(const Object& proxy);

// Calls `visit` for each that the value leads to. Without recursion, and each once, however it is shared.
void for_each_proxy(const Object& value,
                    const std::function<void(const Object& proxy, const TokenParts& token)>& visit);

}  // namespace polyproc::inline v0
