// SPDX-License-Identifier: MIT
// Context: a start method as an object, so that two parts of a program can use two.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <polyproc/process/current.hpp>
#include <polyproc/process/process.hpp>

namespace polyproc::inline v0 {

class POLYPROC_API Context {
 public:
  explicit Context(StartMethod method) noexcept : method_(method) {}

  template <class F, class... Args>
  requires(!std::is_same_v<std::decay_t<F>, ProcessOptions>) [[nodiscard]] Process
      process(F&& fn, Args&&... arguments) const {
    return process(ProcessOptions{}, std::forward<F>(fn), std::forward<Args>(arguments)...);
  }
  template <class F, class... Args>
  [[nodiscard]] Process process(ProcessOptions options, F&& fn, Args&&... arguments) const {
    options.method = method_;
    return Process(std::move(options), std::forward<F>(fn), std::forward<Args>(arguments)...);
  }

  [[nodiscard]] std::string get_start_method() const { return std::string(to_string(method_)); }
  [[nodiscard]] std::vector<ChildProcess> active_children() const { return polyproc::active_children(); }
  [[nodiscard]] CurrentProcess current_process() const noexcept { return polyproc::current_process(); }
  [[nodiscard]] std::optional<ParentProcess> parent_process() const noexcept {
    return polyproc::parent_process();
  }
  [[nodiscard]] int cpu_count() const noexcept { return polyproc::cpu_count(); }

 private:
  StartMethod method_;
};

// Throws InvalidArgument for an unknown name. Without a name: the start method that is set now.
[[nodiscard]] inline Context get_context(std::string_view method) {
  return Context(parse_start_method(method));
}
[[nodiscard]] inline Context get_context(StartMethod method) noexcept { return Context(method); }
[[nodiscard]] inline Context get_context() { return get_context(get_start_method()); }

}  // namespace polyproc::inline v0
