// SPDX-License-Identifier: MIT
// A class without Codec is refused.
// expect: specialise polyproc::Codec<T>
#include <polyproc/codec/codec.hpp>

class Secret {
 public:
  explicit Secret(std::string text) : text_(std::move(text)) {}

 private:
  std::string text_;
};
std::vector<Secret> secrets;

#ifdef REFUSED
std::vector<std::byte> bytes = polyproc::encode(secrets);
#endif
