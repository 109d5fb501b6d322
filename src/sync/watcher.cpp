// SPDX-License-Identifier: MIT
#include <polyproc/sync/watcher.hpp>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

#include "sync/bell_thread.hpp"
#include "sync/watch.hpp"

namespace polyproc::inline v0 {
namespace {

std::vector<WatchedObject> shared_objects(std::span<const Waitable> objects) {
  std::vector<WatchedObject> shared;
  shared.reserve(objects.size());
  for (const Waitable& object : objects) {
    if (!object.is_shared())
      throw InvalidArgument(
          fmt::format("a Watcher of descriptor {}: watchers are for what lies in shared memory and has "
                      "no descriptor; poll this one itself",
                      object.descriptor()));
    shared.push_back(object.object());
  }
  return shared;
}

}  // namespace

struct Watcher::State {
  explicit State(std::vector<WatchedObject> watched) : objects(watched), listening(std::move(watched)) {}
  std::vector<WatchedObject> objects;
  Listening listening;
};

Watcher::Watcher(const Waitables& objects)
    : state_(std::make_unique<State>(shared_objects(objects.span()))) {}
Watcher::Watcher(Watcher&&) noexcept = default;
Watcher& Watcher::operator=(Watcher&&) noexcept = default;
Watcher::~Watcher() = default;

Watcher::State& Watcher::state() const {
  if (!state_) throw UsageError("using a Watcher: it was moved from");
  return *state_;
}

int Watcher::fileno() const {
  const int descriptor = state().listening.descriptor();
  if (descriptor < 0)
    throw UsageError("a Watcher in a forked child: it is its parent's; make another one here");
  return descriptor;
}

std::vector<std::size_t> Watcher::ready() {
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < state().objects.size(); ++i) {
    if (is_ready(state_->objects[i])) positions.push_back(i);
  }
  if (positions.empty()) state_->listening.listen_again();
  return positions;
}

}  // namespace polyproc::inline v0
