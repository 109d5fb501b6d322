// SPDX-License-Identifier: MIT
#include <polyproc/process/start_method.hpp>

#include <array>
#include <atomic>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {
namespace {

constexpr std::array kMethods{StartMethod::fork, StartMethod::spawn, StartMethod::forkserver};
constinit std::atomic<StartMethod> default_method{StartMethod::fork};

}  // namespace

std::string_view to_string(StartMethod method) noexcept {
  switch (method) {
    case StartMethod::fork:
      return "fork";
    case StartMethod::spawn:
      return "spawn";
    case StartMethod::forkserver:
      break;
  }
  return "forkserver";
}

StartMethod parse_start_method(std::string_view name) {
  for (const StartMethod method : kMethods) {
    if (name == to_string(method)) return method;
  }
  throw InvalidArgument(fmt::format("start method '{}': there are 'fork', 'spawn' and 'forkserver'", name));
}

void set_start_method(StartMethod method) { default_method = method; }
void set_start_method(std::string_view name) { set_start_method(parse_start_method(name)); }
std::string get_start_method() { return std::string(to_string(default_method)); }

std::vector<std::string> get_all_start_methods() {
  std::vector<std::string> names;
  for (const StartMethod method : kMethods) names.emplace_back(to_string(method));
  return names;
}

}  // namespace polyproc::inline v0
