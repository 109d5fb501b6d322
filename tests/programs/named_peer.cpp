// SPDX-License-Identifier: MIT
// named_peer ACT ARENA: a program that has nothing in common with the test that starts it but the name of an arena. Its
// exit code is 0 when all came out as ACT says, 9 after an exception.
#include <polyproc/polyproc.hpp>

#include <unistd.h>

#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace {

using namespace polyproc;

// Answers requests until they are shut down; what is counted is under the lock called "lock".
int work(const std::string& name) {
  const Arena arena = Arena::open(name);
  Queue<std::string> requests(arena, "requests");
  Queue<std::string> answers(arena, "answers");
  Value<std::int64_t> bytes(arena, "bytes");
  Array<std::uint64_t> letters(arena, "letters", 26);
  Lock lock(arena, "lock");
  for (const std::string& text : requests) {
    {
      const std::scoped_lock guard(lock);
      bytes = bytes + static_cast<std::int64_t>(text.size());
      for (const char c : text) ++letters.at(static_cast<std::size_t>(c - 'a'));
    }
    answers.put(text + "!");
  }
  return 0;
}

int hold(const std::string& name) {
  const Arena arena = Arena::open(name);
  Lock lock(arena, "lock");
  lock.lock();
  Queue<std::string>(arena, "answers").put("held");
  for (;;) ::pause();
}

// Makes the arena, and leaves something in it for the next.
int make(const std::string& name) {
  const Arena arena = Arena::create(name, {.limit = std::uint64_t{32} << 20});
  Queue<std::string> left(arena, "left");
  left.put("by the maker");
  left.put(std::string(1'000'000, 'm'));
  return 0;
}

template <class Open>
bool mismatches(Open open, const char* found, const char* expected) {
  try {
    open();
  } catch (const TypeMismatch& error) {
    const std::string what = error.what();
    if (what.find(found) != std::string::npos && what.find(expected) != std::string::npos) return true;
    std::fprintf(stderr, "%s\n", what.c_str());
  }
  return false;
}

// Every object is opened as something that it is not.
int mistake(const std::string& name) {
  const Arena arena = Arena::open(name);
  int wrong = 0;
  wrong += !mismatches([&] { Value<double>(arena, "bytes"); }, "'l'", "'d'");
  wrong += !mismatches([&] { Value<std::int32_t>(arena, "bytes"); }, "8 bytes", "4 bytes");
  wrong += !mismatches([&] { Array<std::int64_t>(arena, "bytes", 1); }, "Value", "Array");
  wrong += !mismatches([&] { Array<float>(arena, "letters", 26); }, "'L'", "'f'");
  wrong += !mismatches([&] { Queue<int>(arena, "requests"); }, "Queue", "'i'");
  wrong += !mismatches([&] { JoinableQueue<std::string>(arena, "requests"); }, "Queue", "JoinableQueue");
  wrong += !mismatches([&] { RLock(arena, "lock"); }, "Lock", "RLock");
  return wrong;
}

// The arena was written by a program of another kind.
int refuse(const std::string& name) {
  return mismatches([&] { (void)Arena::open(name); }, "it holds", "this program expects") ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, std::function<int(const std::string&)>> acts{
      {"work", work}, {"hold", hold}, {"make", make}, {"mistake", mistake}, {"refuse", refuse}};
  if (argc != 3 || !acts.contains(argv[1])) return 8;
  ::alarm(50);
  try {
    return acts.at(argv[1])(argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "named_peer %s: %s\n", argv[1], error.what());
    return 9;
  }
}
