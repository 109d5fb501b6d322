// SPDX-License-Identifier: MIT
// What a newly started program can be given, and that it is this program.
#include <gmock/gmock.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cctype>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>

#include "process/function_token.hpp"
#include "process/program.hpp"
#include "process/support.hpp"

namespace polyproc::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;

struct Point {
  double x;
  double y;
  friend bool operator==(const Point&, const Point&) = default;
};

template <class... Call>
std::optional<int> spawn_and_join(Call&&... call) {
  Process p({.method = StartMethod::spawn}, std::forward<Call>(call)...);
  p.start();
  p.join();
  return p.exitcode();
}

using Nested = std::map<std::string, std::vector<std::pair<int, std::optional<std::string>>>>;

void check_arguments(bool flag, double number, Point point, const std::string& text,
                     std::vector<std::string> texts, const Nested& nested,
                     std::tuple<int, std::array<std::string, 2>> both, std::vector<bool> bits,
                     std::vector<Point> points, Value<int> right) {
  right = flag && number == 2.5 && point == Point{1, 2} && text == std::string("a\0b", 3) &&
          texts.size() == 2 && texts[1] == "two" && nested.at("k")[0].second == "v" &&
          !nested.at("k")[1].second && std::get<1>(both)[1] == "y" && bits[1] && !bits[0] &&
          points.at(1) == Point{3, 4};
}

TEST(Spawn, CarriesValuesTextsAndContainers) {
  Value<int> right(0);
  const Nested nested{{"k", {{1, "v"}, {2, std::nullopt}}}};
  EXPECT_EQ(spawn_and_join(check_arguments, true, 2.5, Point{1, 2}, std::string("a\0b", 3),
                           std::vector<std::string>{"one", "two"}, nested,
                           std::tuple(1, std::array<std::string, 2>{"x", "y"}),
                           std::vector<bool>{false, true}, std::vector<Point>{{1, 2}, {3, 4}}, right),
            0);
  EXPECT_EQ(right.get(), 1);
}

TEST(Spawn, CarriesTextLiterals) {
  Queue<std::string> out;
  EXPECT_EQ(spawn_and_join([](Queue<std::string>& q, std::string_view text) { q.put(std::string(text)); },
                           out, "hello"),
            0);
  EXPECT_EQ(take(out), "hello");
}

TEST(Spawn, CarriesLargeArguments) {
  std::vector<std::uint64_t> numbers(1 << 20);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
  Value<std::uint64_t> sum(0);
  const auto before = Arena::family().stats().used;
  EXPECT_EQ(spawn_and_join(
                [](const std::vector<std::uint64_t>& all, Value<std::uint64_t> out) {
                  for (const auto n : all) out = out + n;
                },
                numbers, sum),
            0);
  EXPECT_EQ(sum.get(), numbers.size() * (numbers.size() - 1) / 2);
  EXPECT_LE(Arena::family().stats().used, before + (std::uint64_t{1} << 20));
}

struct Adder {
  int base;
  void add(Value<int> out, int more) const { out = base + more; }
  virtual void add_virtually(Value<int> out, int more) const { out = 10 * (base + more); }
  Adder() = default;
  explicit Adder(int b) : base(b) {}
  Adder(const Adder&) = default;
  virtual ~Adder() = default;
};
struct Plain {
  int base;
  void add(Value<int> out, int more) const { out = base + more; }
};

}  // namespace
}  // namespace polyproc::testing

template <>
struct polyproc::Transfer<polyproc::testing::Adder> {
  static void encode(Encoder& out, const testing::Adder& adder) { Transfer<int>::encode(out, adder.base); }
  static testing::Adder decode(Decoder& in) { return testing::Adder(Transfer<int>::decode(in)); }
};

namespace polyproc::testing {
namespace {

TEST(Spawn, CallsMemberFunctions) {
  Value<int> out(0);
  EXPECT_EQ(spawn_and_join(&Plain::add, Plain{40}, out, 2), 0);
  EXPECT_EQ(out.get(), 42);
  EXPECT_EQ(spawn_and_join(&Adder::add, Adder{40}, out, 3), 0);
  EXPECT_EQ(out.get(), 43);
  EXPECT_EQ(spawn_and_join(&Adder::add_virtually, Adder{40}, out, 4), 0);
  EXPECT_EQ(out.get(), 440);
}

void apply(int (*function)(int), int argument, Value<int> out) { out = function(argument); }
int twice(int n) noexcept { return 2 * n; }

TEST(Spawn, CarriesFunctionsOfTheProgramAndOfLibraries) {
  Value<int> out(0);
  EXPECT_EQ(spawn_and_join(apply, &twice, 4, out), 0);
  EXPECT_EQ(out.get(), 8);
  EXPECT_EQ(spawn_and_join(apply, static_cast<int (*)(int)>(&::toupper), 'a', out), 0);
  EXPECT_EQ(out.get(), 'A');
  EXPECT_EQ(spawn_and_join([](Value<int> o, auto n) { o = n; }, out, 5), 0);
  EXPECT_EQ(out.get(), 5);
}

TEST(Spawn, CarriesEveryHandle) {
  Lock lock;
  RLock rlock;
  JoinableQueue<int> joinable;
  SimpleQueue<int> simple;
  Value<int> right(0);
  lock.lock();
  const auto use = [](Lock& l, RLock& r, JoinableQueue<int>& j, SimpleQueue<int>& s, Value<int>& v,
                      Value<int>& same) {
    const bool locked = l.locked() && !l.try_lock();
    l.release();
    r.lock();
    r.unlock();
    j.put(1);
    s.put(2);
    v = locked ? 7 : 8;
    if (same.get() != v.get()) exit_process(2);
  };
  EXPECT_EQ(spawn_and_join(use, lock, rlock, joinable, simple, right, right), 0);
  EXPECT_FALSE(lock.locked());
  EXPECT_EQ(joinable.get_for(kLong), 1);
  EXPECT_EQ(simple.get(), 2);
  EXPECT_EQ(right.get(), 7);
  joinable.task_done();
}

std::string test_name(const char* suffix) { return "process-test-" + std::to_string(::getpid()) + suffix; }

TEST(Spawn, CarriesObjectsOfNamedArenas) {
  const std::string name = test_name("");
  {
    const Arena arena = Arena::create(name);
    std::optional<Value<int>> value(std::in_place, arena, 1);
    Queue<int> go_on, running;
    Process p(
        {.method = StartMethod::spawn},
        [](Queue<int>& r, Queue<int>& g, Value<int>& v) {
          report_and_wait(r, g);
          v = v + 41;
          r.put(v);
        },
        running, go_on, *value);
    p.start();
    value.reset();  // the child has it, or will have it
    EXPECT_NE(take(running), 0);
    go_on.put(1);
    EXPECT_EQ(take(running), 42);
    p.join();
    EXPECT_EQ(p.exitcode(), 0);
    EXPECT_TRUE(arena.check().clean());
  }
  Arena::remove(name);
}

TEST(Spawn, RefusesObjectsOfAnonymousArenas) {
  const Arena arena = Arena::anonymous();
  Process p({.method = StartMethod::spawn}, set_flag, Value<int>(arena, 0));
  EXPECT_THROW(p.start(), UsageError);
}

TEST(Spawn, RefusesClosedHandles) {
  Value<int> value(0);
  value.close();
  Process p({.method = StartMethod::spawn}, set_flag, value);
  EXPECT_THROW(p.start(), UsageError);
}

template <class P>
std::string refusal(P process) {
  try {
    process.start();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "started";
}

TEST(Spawn, RefusesWhatCannotGoBeforeAnythingStarts) {
  const ProcessOptions by_spawn{.method = StartMethod::spawn};
  int local = 0;
  EXPECT_THAT(refusal(Process(by_spawn, [&local] { ++local; })), HasSubstr("lambda without captures"));
  EXPECT_THAT(refusal(Process(
                  by_spawn, [](int* p) { *p = 1; }, &local)),
              AnyOf(HasSubstr("'int*'"), HasSubstr("'int *'")));
  EXPECT_THAT(refusal(Process(
                  by_spawn, [](const char*) {}, static_cast<const char*>("x"))),
              AnyOf(HasSubstr("const char*"), HasSubstr("const char *")));
  EXPECT_THAT(refusal(Process(
                  by_spawn, [](int& n) { ++n; }, std::ref(local))),
              HasSubstr("reference_wrapper"));
  EXPECT_THAT(refusal(Process(
                  by_spawn, [](std::string_view) {}, std::string_view("x"))),
              HasSubstr("string_view"));
  EXPECT_TRUE(active_children().empty());
}

// SpawnProcess refuses by these when the program is compiled.
int some_int = 0;
using Capturing = decltype([n = some_int] { return n; });
using Stateless = decltype([] {});
static_assert(!detail::kSpawnable<Capturing>);
static_assert(detail::kSpawnable<Stateless>);
static_assert(detail::kSpawnable<void (*)(int)>);
static_assert(detail::kSpawnable<void (*)(int) noexcept>);
static_assert(!Transferable<int*> && !Transferable<std::string_view> && !Transferable<std::span<int>>);
static_assert(!Transferable<std::vector<int*>> && !Transferable<std::optional<int*>> &&
              !Transferable<int* [2]>);
static_assert(!Transferable<std::pair<int, char*>> && !Transferable<std::tuple<std::reference_wrapper<int>>>);
static_assert(!Transferable<std::unique_ptr<int>> && !Transferable<std::array<const char*, 2>>);
static_assert(Transferable<Point> && Transferable<std::vector<std::vector<std::string>>>);
static_assert(Transferable<Value<int>> && Transferable<std::vector<Queue<int>>> && Transferable<Lock>);

// A global shared object is made anew in a spawned child, in the same arena.
Value<int> global(11);

TEST(Spawn, GlobalSharedObjectsAreMadeAnew) {
  Value<int> seen(0);
  global = 12;
  EXPECT_EQ(spawn_and_join(
                [](Value<int>& out) {
                  out = global.get();
                  global = 13;
                },
                seen),
            0);
  EXPECT_EQ(seen.get(), 11);
  EXPECT_EQ(global.get(), 12);
}

TEST(Spawn, NeedsInit) {
  own_program().initialised = false;
  EXPECT_THAT(refusal(Process({.method = StartMethod::spawn}, [] {})),
              HasSubstr("polyproc::init(argc, argv)"));
  own_program().initialised = true;
  EXPECT_TRUE(active_children().empty());
}

TEST(FunctionToken, LeadsBackToTheFunction) {
  const auto* mine = reinterpret_cast<const void*>(&twice);
  EXPECT_EQ(find_function(make_function_token(mine)), mine);
  const auto* libc = reinterpret_cast<const void*>(&::toupper);
  const FunctionToken token = make_function_token(libc);
  EXPECT_EQ(find_function(token), libc);
  EXPECT_FALSE(token.build_id.empty());
  EXPECT_THAT(token.module, HasSubstr("libc.so"));
}

TEST(FunctionToken, IsRefusedWhereTheModuleIsNotLoaded) {
  try {
    (void)find_function({"12345678901234567890", "/opt/libplugin.so", 64});
    ADD_FAILURE();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("/opt/libplugin.so"));
  }
  EXPECT_THROW((void)find_function({"", "the program", 1}), UsageError);
  EXPECT_THROW((void)make_function_token(&some_int), UsageError);
}

TEST(Spawn, ReportsAFunctionThatTheChildHasNot) {
  ::testing::internal::CaptureStderr();
  Process p({.name = "lost", .method = StartMethod::spawn}, [] {
    (void)find_function({"no such", "libgone.so", 1});
  });
  p.start();
  p.join();
  EXPECT_EQ(p.exitcode(), kExitFailed);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("libgone.so is asked for, which this process has not loaded"));
}

// Open descriptors above standard error: those that children inherit, those that they do not.
std::pair<int, int> count_descriptors() {
  std::pair<int, int> found{0, 0};
  for (int fd = 3; fd < 256; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags != -1) ++((flags & FD_CLOEXEC) == 0 ? found.first : found.second);
  }
  return found;
}

TEST(Spawn, ChildrenInheritNothingOfOurs) {
  Value<std::array<int, 2>> seen;
  const int ours = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  Process p(
      {.daemon = true, .method = StartMethod::spawn},
      [](Value<std::array<int, 2>>& out) {
        const auto [inherited, own] = count_descriptors();
        out = {inherited, own};
      },
      seen);
  p.start();
  p.join();
  EXPECT_EQ(seen.get()[0], count_descriptors().first);  // the test program's own legacy
  EXPECT_EQ(seen.get()[1], 2);                          // the arena and the life line
  ::close(ours);
}

TEST(Spawn, TheChildIsCalledAsTheProgram) {
  Value<int> same(0);
  EXPECT_EQ(spawn_and_join(
                [](Value<int>& out, std::string expected) {
                  std::string name(16, '\0');
                  ::pthread_getname_np(::pthread_self(), name.data(), name.size());
                  out = expected.starts_with(name.c_str()) && own_program().argv0.ends_with(expected);
                },
                same, std::string(program_invocation_short_name)),
            0);
  EXPECT_EQ(same.get(), 1);
}

// Runs `act` in a copy of this program, whose file is the copy's alone: this very test, started again from there.
class InACopy : public ::testing::Test {
 protected:
  static constexpr const char* kVariable = "POLYPROC_TEST_IN_A_COPY";
  static bool is_the_copy() { return std::getenv(kVariable) != nullptr; }
  static std::string own_path() { return fs::read_symlink("/proc/self/exe").string(); }

  // The copy's exit code.
  static int run_copy() {
    const fs::path folder = fs::path(::testing::TempDir()) / test_name("-copy");
    fs::create_directories(folder);
    std::string program = folder / "program";
    fs::copy_file("/proc/self/exe", program);
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string filter = std::string("--gtest_filter=") + test->test_suite_name() + "." + test->name();
    char* arguments[] = {program.data(), filter.data(), nullptr};
    ::setenv(kVariable, "1", 1);
    pid_t child = 0;
    const int error = ::posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, environ);
    ::unsetenv(kVariable);
    EXPECT_EQ(error, 0);
    int status = -1;
    if (error == 0) ::waitpid(child, &status, 0);
    fs::remove_all(folder);
    return status;
  }
};

TEST_F(InACopy, SpawnWorksAlthoughTheProgramsFileWasDeleted) {
  if (!is_the_copy()) {
    EXPECT_EQ(run_copy(), 0);
    return;
  }
  fs::remove(own_path());
  Value<int> flag(0);
  EXPECT_EQ(spawn_and_join(set_flag, flag), 0);
  EXPECT_EQ(flag.get(), 1);
}

TEST_F(InACopy, SpawnWorksAlthoughTheProgramsFileWasReplaced) {
  if (!is_the_copy()) {
    EXPECT_EQ(run_copy(), 0);
    return;
  }
  const std::string path = own_path();
  fs::remove(path);
  fs::copy_file("/bin/false", path);
  Value<int> flag(0);
  EXPECT_EQ(spawn_and_join(set_flag, flag), 0);
  EXPECT_EQ(flag.get(), 1);
}

TEST_F(InACopy, AProgramThatCannotBeExecutedIsAnError) {
  if (!is_the_copy()) {
    EXPECT_EQ(run_copy(), 0);
    return;
  }
  ::chmod(own_path().c_str(), 0600);
  Value<int> flag(0);
  Process p({.daemon = true, .method = StartMethod::spawn}, set_flag, flag);
  try {
    p.start();
    ADD_FAILURE();
  } catch (const OsError& error) {
    EXPECT_EQ(error.code(), EACCES);
  }
  EXPECT_EQ(Arena::family().stats().processes, 1u);
  EXPECT_TRUE(active_children().empty());
  ::chmod(own_path().c_str(), 0700);
  p.start();  // nothing was spoilt
  p.join();
  EXPECT_EQ(flag.get(), 1);
}

}  // namespace
}  // namespace polyproc::testing
