// SPDX-License-Identifier: MIT
// Descriptors and objects of named arenas in items, between processes of every start method.
#include <unistd.h>

#include <string>
#include <vector>

#include <polyproc/channel/connection.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/codec/descriptor_codec.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/shared/value.hpp>

#include "os/pidfd.hpp"
#include "support/forked_child.hpp"
#include "support/keepers.hpp"
#include "support/start_methods.hpp"

namespace polyproc::testing {
namespace {

class ParcelUnder : public EachMethod {
 protected:
  Keepers keepers_;
};

using Ends = Queue<Connection<std::string>>;

TEST_P(ParcelUnder, AConnectionOutlivesItsSender) {
  Ends queue;
  Queue<int> said;
  for (const bool killed : {false, true}) {
    Process child = started(
        +[](Ends to, Queue<int> answer, bool wait) {
          Pipe<std::string> pipe;
          to.put(pipe.first);
          pipe.second.send("from one who is gone");
          answer.put(1);
          if (wait) wait_for_ever();
        },
        queue, said, killed);
    EXPECT_EQ(take(said), 1);
    if (killed) child.kill();
    child.join();
    const Connection<std::string> got = queue.get();
    EXPECT_EQ(got.recv_for(kLong), "from one who is gone");
    EXPECT_THROW((void)got.recv_for(kLong), EndOfFile);
  }
}

struct Request {
  std::string question;
  Connection<std::string> answers;
};

TEST_P(ParcelUnder, ARequestBringsTheWayBack) {
  Queue<Request> requests;
  Process server = started(
      +[](Queue<Request> theirs) {
        for (const Request& request : theirs) request.answers.send(request.question + "!");
      },
      requests);
  for (int i = 0; i < 10; ++i) {
    Pipe<std::string> pipe;
    requests.put({std::to_string(i), pipe.second});
    pipe.second.close();
    EXPECT_EQ(pipe.first.recv_for(kLong), std::to_string(i) + "!");
  }
  requests.shutdown();
  expect_done(server);
}

TEST_P(ParcelUnder, ASentinelTellsTheReceiverOfAnEnd) {
  Queue<os::Fd> queue;
  Process child = started(+[] { wait_for_ever(); });
  queue.put(os::Fd(::dup(child.sentinel())));
  const os::Fd sentinel = queue.get();
  EXPECT_FALSE(os::wait_for_end(sentinel.get(), Deadline::now()));
  child.kill();
  EXPECT_TRUE(os::wait_for_end(sentinel.get(), Deadline::after(kLong)));
  child.join();
}

TEST_P(ParcelUnder, AnObjectOfANamedArenaGoesThroughTheFamilysQueue) {
  {
    const Arena shelf = Arena::create("shelf", {.limit = 4 << 20});
    Queue<Value<int>> queue;
    Process child = started(
        +[](Queue<Value<int>> theirs) {
          Value<int> got = theirs.get();
          got = got + 1;
          theirs.put(got);
        },
        queue);
    const Value<int> value(shelf, 1);
    queue.put(value);
    expect_done(child);
    EXPECT_EQ(queue.get().block(), value.block());
    EXPECT_EQ(value, 2);
  }
  Arena::remove("shelf");
}

POLYPROC_EACH_METHOD(ParcelUnder);

}  // namespace
}  // namespace polyproc::testing
