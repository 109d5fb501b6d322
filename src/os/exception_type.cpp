// SPDX-License-Identifier: MIT
#include "os/exception_type.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <typeinfo>

namespace polyproc::inline v0::os {

std::string current_exception_type() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "foreign exception";
  const std::unique_ptr<char, void (*)(void*)> readable(
      abi::__cxa_demangle(type->name(), nullptr, nullptr, nullptr), std::free);
  return readable ? readable.get() : type->name();
}

}  // namespace polyproc::inline v0::os
