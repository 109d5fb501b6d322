// SPDX-License-Identifier: MIT
// The code of the documents: each block of docs/guide.md and README.md marked as C++ is a piece of a file that is
// compiled, here or in examples/, and what is here runs.
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <polyproc/polyproc.hpp>

namespace {

using namespace std::chrono_literals;

void consume(polyproc::Queue<int> numbers, polyproc::Value<long> sum) {
  for (int number : numbers) sum.atomic().fetch_add(number);
}

void do_resize(const std::string& picture) { ASSERT_FALSE(picture.empty()); }

// clang-format off
void resize(polyproc::JoinableQueue<std::string> pictures) {
  for (const std::string& picture : pictures) {
    do_resize(picture);
    pictures.task_done();
  }
}

struct Request {
  std::string question;
  polyproc::Queue<std::string> answers;
};

void answer(polyproc::Queue<Request> requests) {
  for (Request& request : requests) request.answers.put("You ask: " + request.question);
}

TEST(Guide, SharedObjectsInItems) {
  polyproc::Queue<Request> requests;
  polyproc::Process child(answer, requests);
  child.start();
  const Request request{"why?", polyproc::Queue<std::string>()};
  requests.put(request);
  EXPECT_EQ(polyproc::Queue<std::string>(request.answers).get_for(20s), "You ask: why?");
  requests.shutdown();
  child.join();
}

void serve(polyproc::Queue<int> orders, polyproc::Connection<std::string> control) {
  int sum = 0;
  for (;;) {
    for (const std::size_t ready : polyproc::wait({orders, control})) {
      if (ready == 0) sum += orders.try_get().value_or(0);
      if (ready == 1 && control.recv() == "report") return control.send(std::to_string(sum));
    }
  }
}

TEST(Guide, Waiting) {
  polyproc::Queue<int> orders, answers;
  polyproc::Pipe<std::string> control;
  polyproc::Process child(serve, orders, control.second);
  child.start();
  orders.put(3);
  orders.put(4);
  while (!orders.empty()) std::this_thread::yield();
  control.first.send("report");
  EXPECT_EQ(control.first.recv_for(20s), "7");
  child.join();
  answers.put(1);
  polyproc::Watcher watcher({orders, answers});
  pollfd watched{watcher.fileno(), POLLIN, 0};
  poll(&watched, 1, 1000);
  std::vector<std::size_t> ready = watcher.ready();
  EXPECT_EQ(ready, std::vector<std::size_t>{1});
}

void add_up(polyproc::Connection<int> mine, polyproc::Connection<int> others) {
  others.close();
  int sum = 0;
  try {
    for (;;) sum += mine.recv();
  } catch (const polyproc::EndOfFile&) {
    polyproc::exit_process(sum);
  }
}

void shout(polyproc::Connection<std::string> connection) {
  std::string text = connection.recv();
  for (char& c : text) c = static_cast<char>(std::toupper(c));
  connection.send(text);
}

TEST(Guide, NamedArenas) {
  polyproc::Arena shop = polyproc::Arena::open_or_create("shop");
  polyproc::Queue<int> orders(shop, "orders");     // made here, or by another program
  polyproc::Value<double> turnover(shop, "turnover", 0.0);
  orders.put(1);
  EXPECT_EQ(polyproc::Queue<int>(polyproc::Arena::open("shop"), "orders").get(), 1);
  EXPECT_THROW(polyproc::Queue<long>(shop, "orders"), polyproc::TypeMismatch);
  orders.close();
  turnover.close();
  shop = polyproc::Arena::family();
  for (const polyproc::NamedArena& arena : polyproc::Arena::list())
    if (!arena.attached) polyproc::Arena::remove(arena.name);
}

TEST(Guide, ValueAndArray) {
  polyproc::Value<int> answer(42);
  answer = answer + 1;

  polyproc::Array<double> zeros(1000);                    // 1000 zeroed elements
  polyproc::Array<int> primes{2, 3, 5, 7};                // from a list
  polyproc::Array<int> copy(std::vector{1, 2, 3});        // from any range
  std::span<int> middle = primes.slice(1, 3);             // 3, 5
  std::ranges::sort(primes, std::greater<>());            // it is a contiguous range
  EXPECT_EQ(answer, 43);
  EXPECT_EQ(zeros[999], 0.0);
  EXPECT_EQ(copy.back(), 3);
  EXPECT_EQ(middle.size(), 2u);
  EXPECT_EQ(primes.front(), 7);
}

TEST(Guide, AssigningValues) {
  polyproc::Value<int> global(7), out(0);
  out = global.get();  // or out.set(global): the number is copied
  out = global;        // `out` is another handle of global's variable now
  out = 8;
  EXPECT_EQ(global, 8);
}

TEST(Guide, Counting) {
  polyproc::Value<long> counter;
  {
    std::scoped_lock guard(counter.get_lock());
    counter = counter + 1;
  }
  counter.atomic().fetch_add(1);  // without the lock: do one or the other
  EXPECT_EQ(counter, 2);
}

TEST(Guide, Locks) {
  polyproc::Lock lock;
  if (lock.try_lock_for(100ms)) lock.unlock();
  std::unique_lock guard(lock, std::try_to_lock);
  EXPECT_TRUE(guard.owns_lock());
}

TEST(Guide, TheHolderDies) {
  polyproc::Lock lock;
  bool repaired = false;
  const auto repair = [&] { repaired = true; };
  polyproc::Process holder([&] { lock.lock(); });
  holder.start();
  holder.join();
  if (lock.acquire_checked() == polyproc::Acquired::owner_died) repair();
  lock.release();
  EXPECT_TRUE(repaired);
}

TEST(Guide, Queues) {
  polyproc::Queue<std::string> queue(100);  // at most 100 items; without a number, as many as the arena holds
  queue.put("first");
  if (!queue.put_for("second", 1s)) puts("full for a second");
  std::string item = queue.get();                            // waits
  std::optional<std::string> next = queue.try_get();         // does not
  EXPECT_EQ(item, "first");
  EXPECT_EQ(next, "second");
}

TEST(Guide, Consumers) {
  polyproc::Queue<int> numbers;
  polyproc::Value<long> sum;
  polyproc::Process a(consume, numbers, sum);
  polyproc::Process b(consume, numbers, sum);
  a.start();
  b.start();
  for (int i = 1; i <= 1000; ++i) numbers.put(i);
  numbers.shutdown();
  a.join();
  b.join();
  EXPECT_EQ(sum, 500500);
}

TEST(Guide, JoinableQueue) {
  polyproc::JoinableQueue<std::string> pictures;
  polyproc::Process worker(resize, pictures);
  worker.start();
  pictures.put("cat");
  EXPECT_EQ(pictures.join(), 0u);
  pictures.shutdown();
  worker.join();
  EXPECT_EQ(worker.exitcode(), 0);
}

struct Order {
  int id;
  std::string customer;
  std::vector<double> prices;
  std::optional<std::string> note;
};

class Money {
 public:
  explicit Money(long cents) : cents_(cents) {}
  [[nodiscard]] long cents() const { return cents_; }

 private:
  long cents_;
};

}  // namespace

template <>
struct polyproc::Codec<Money> {
  static void write(polyproc::Writer& out, const Money& money) { polyproc::write_value(out, money.cents()); }
  static Money read(polyproc::Reader& in) { return Money(polyproc::read_value<long>(in)); }
};

namespace {

TEST(Guide, Pipes) {
  auto [here, there] = polyproc::Pipe<std::string>();
  polyproc::Process child(shout, there);
  child.start();
  there.close();  // the child has its own
  std::optional<std::string> early = here.try_recv();  // nothing
  here.send("hello");
  std::string answer = here.recv();  // HELLO
  EXPECT_EQ(answer, "HELLO");
  EXPECT_EQ(early, std::nullopt);
  child.join();
}

TEST(Guide, TheEndOfAPipe) {
  polyproc::Pipe<int> pipe;
  polyproc::Process child(add_up, pipe.second, pipe.first);
  child.start();
  for (int i = 1; i <= 4; ++i) pipe.first.send(i);
  pipe.first.close();
  pipe.second.close();
  child.join();
  EXPECT_EQ(child.exitcode(), 10);
}

TEST(Guide, Values) {
  Order order{7, "Ada", {1.5, 2.0}, std::nullopt};
  std::vector<std::byte> bytes = polyproc::to_pickle(order);  // Python: (7, 'Ada', [1.5, 2.0], None)
  Order back = polyproc::decode_pickle<Order>(bytes);
  EXPECT_EQ(back.customer, "Ada");
  EXPECT_EQ(polyproc::decode_pickle<polyproc::Object>(bytes).repr(), "(7, 'Ada', [1.5, 2.0], None)");
  EXPECT_EQ(polyproc::decode_pickle<Money>(polyproc::to_pickle(Money(5))).cents(), 5);
}

TEST(Guide, Objects) {
  polyproc::Object config = polyproc::Object::dict({{"name", "demo"}, {1, polyproc::Object::list({2.5, true})}});
  config.set("self", config);
  std::string text = config.repr();          // {'name': 'demo', 1: [2.5, True], 'self': {...}}
  double number = config.at(1.0).at(0).as_double();  // 1, 1.0 and true are one key
  EXPECT_EQ(text, "{'name': 'demo', 1: [2.5, True], 'self': {...}}");
  EXPECT_EQ(number, 2.5);
}

TEST(Guide, DamagedValues) {
  std::string told;
  const auto puts = [&](const char* text) { told = text; };
  const auto consume = [](std::uint8_t) { FAIL(); };
  try {
    std::uint8_t small = polyproc::decode_pickle<std::uint8_t>(polyproc::to_pickle(256));
    consume(small);
  } catch (const polyproc::DecodeError& error) {
    puts(error.what());  // decode: the int does not fit its type (at byte 2)
  }
  EXPECT_EQ(told, "decode: the int does not fit its type (at byte 2)");
}

TEST(Guide, Processes) {
  polyproc::Queue<int> numbers;
  polyproc::Value<long> sum;
  numbers.put(3);
  numbers.shutdown();
  polyproc::Process p({.name = "worker"}, consume, numbers, sum);
  p.start();
  if (!p.join_for(5s)) p.terminate();
  p.join();
  std::optional<int> code = p.exitcode();  // 0; n: exited with n; -n: ended by signal n
  EXPECT_EQ(code, 0);
  EXPECT_EQ(sum, 3);
}

TEST(Guide, StartMethods) {
  polyproc::Queue<int> numbers;
  polyproc::Value<long> sum;
  for (int i = 0; i < 3; ++i) numbers.put(i);
  numbers.shutdown();
  polyproc::set_start_method("spawn");  // for all that do not say
  polyproc::Process fresh(consume, numbers, sum);
  polyproc::Process copied = polyproc::get_context("fork").process(consume, numbers, sum);
  polyproc::Process checked({.method = polyproc::StartMethod::spawn}, consume, numbers, sum);
  for (polyproc::Process* process : {&fresh, &copied, &checked}) process->start();
  for (polyproc::Process* process : {&fresh, &copied, &checked}) {
    process->join();
    EXPECT_EQ(process->exitcode(), 0);
  }
  EXPECT_EQ(sum, 3);
  polyproc::set_start_method("fork");
}

TEST(Guide, Errors) {
  bool caught = false;
  const auto puts = [&](const char*) { caught = true; };
  try {
    polyproc::Array<char> too_large(std::size_t{1} << 60);
  } catch (const polyproc::ArenaFull&) {
    puts("no room");
  }
  EXPECT_TRUE(caught);
}

// In a process of its own, which has shared nothing yet.
void configure() {
  polyproc::Arena::configure_family({.limit = 256 << 20});
}

TEST(Guide, TheFamilysArenaIsConfiguredBeforeItIsUsed) {
  (void)polyproc::Arena::family();
  EXPECT_THROW(configure(), polyproc::UsageError);
}
// clang-format on

// ---- the check itself

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Lines without indentation, so that a block may stand deeper in a program than on the page.
std::string flat(const std::string& text) {
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find_first_not_of(' ');
    if (first != std::string::npos) result += line.substr(first) + '\n';
  }
  return result;
}

std::vector<std::string> blocks_of(const std::string& page) {
  std::vector<std::string> blocks;
  const std::string begin = "```cpp\n";
  for (std::size_t at = page.find(begin); at != std::string::npos; at = page.find(begin, at)) {
    at += begin.size();
    blocks.push_back(page.substr(at, page.find("```", at) - at));
  }
  return blocks;
}

TEST(Documents, EachBlockOfCodeIsPartOfAProgramThatIsCompiled) {
  std::string programs;
  for (const char* folder : {"tests/docs", "examples"}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      programs += flat(read(entry.path())) + "\n\n";
  }
  for (const char* page : {"README.md", "docs/guide.md"}) {
    const auto blocks = blocks_of(read(page));
    EXPECT_FALSE(blocks.empty()) << page;
    for (const std::string& block : blocks)
      EXPECT_NE(programs.find(flat(block)), std::string::npos) << page << " shows code that no program has:\n"
                                                               << block;
  }
}

}  // namespace
