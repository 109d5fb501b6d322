// SPDX-License-Identifier: MIT
#include "pool/worker.hpp"

#include <csignal>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>
#include <polyproc/os/fail_point.hpp>
#include <polyproc/process/exit.hpp>

#include "os/owner_signals.hpp"
#include "pool/item_receiver.hpp"
#include "process/spawn_message.hpp"

namespace polyproc::inline v0 {
namespace {

constexpr ElementType kPoolItem{"pool", 0, 1};

// The last function that was called stays as it was made from its bytes.
class KnownFunction {
 public:
  TaskFunction& find(std::span<const std::byte> bytes) {
    if (!function_ || !std::equal(bytes.begin(), bytes.end(), bytes_.begin(), bytes_.end())) {
      Decoder in(bytes);
      const auto decode = reinterpret_cast<DecodeTaskFunction>(in.read_function());
      function_ = decode(in);
      bytes_.assign(bytes.begin(), bytes.end());
    }
    return *function_;
  }

 private:
  std::vector<std::byte> bytes_;
  std::unique_ptr<TaskFunction> function_;
};

class Worker {
 public:
  Worker(std::uint32_t number, ByteQueue tasks, ByteQueue reports)
      : number_(number), tasks_(std::move(tasks)), reports_(std::move(reports)) {}

  // Until the queue of tasks is shut down.
  void serve() {
    const ReportHeader ready{0, number_, Report::ready};
    (void)reports_.put(&ready, sizeof ready, Deadline::never());
    while (serve_one()) {
    }
  }

  void report_exception(std::uint64_t task, Report what) {
    OutgoingReferences none(reports_.block());
    Encoder out;
    begin(out);
    write_exception(out);
    send({task, number_, what}, out, none);
  }

 private:
  bool serve_one() {
    ItemReceiver item;
    if (tasks_.get(item, Deadline::never()) == QueueStatus::shut_down) return false;
    POLYPROC_FAIL_POINT("pool.task_taken");
    std::span<const std::byte> bytes = item.bytes();
    const auto header = read_header<TaskHeader>(bytes);
    try {
      OutgoingReferences named(reports_.block());
      Encoder result(&named);
      begin(result);
      const bool well = run(header, bytes, item.own_letter(), result);
      POLYPROC_FAIL_POINT("pool.task_run");
      send({header.task, number_, well ? Report::value : Report::partly}, result, named);
    } catch (const ProcessExit&) {
      throw;
    } catch (...) {
      report_exception(header.task, Report::raised);
    }
    POLYPROC_FAIL_POINT("pool.task_reported");
    return true;
  }

  bool run(const TaskHeader& header, std::span<const std::byte> bytes, const BlockRef& letter,
           Encoder& result) {
    if (header.function_size > bytes.size()) throw CorruptArena("reading a task of a pool: it is cut off");
    TaskFunction& function = known_.find(bytes.first(header.function_size));
    IncomingReferences named(letter);
    Decoder arguments(bytes.subspan(header.function_size), &named);
    return function.run(arguments, result);
  }

  // A report begins with its header, which is written last.
  static void begin(Encoder& out) { (void)out.extend(sizeof(ReportHeader)); }
  void send(const ReportHeader& header, Encoder& report, const OutgoingReferences& named) {
    std::vector<std::byte> bytes = std::move(report).take_bytes();
    std::memcpy(bytes.data(), &header, sizeof header);
    // Only the pool shuts this queue down, and then nobody asks for the result any more.
    if (named.empty())
      (void)reports_.put(bytes.data(), bytes.size(), Deadline::never());
    else
      (void)reports_.put_letter(bytes.data(), bytes.size(), named, Deadline::never());
  }

  const std::uint32_t number_;
  ByteQueue tasks_;
  ByteQueue reports_;
  KnownFunction known_;
};

// SIGTERM is how the pool ends its workers. All signals are blocked by who has forked this process.
void leave_signals_to_the_owner(sigset_t before) noexcept {
  os::leave_signals_to_owner();
  ::sigdelset(&before, SIGTERM);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}

class WorkerTarget final : public ProcessTarget {
 public:
  WorkerTarget(std::uint32_t number, ByteQueue tasks, ByteQueue reports,
               std::shared_ptr<ProcessTarget> initializer, const sigset_t& signals)
      : number_(number),
        tasks_(std::move(tasks)),
        reports_(std::move(reports)),
        initializer_(std::move(initializer)),
        signals_(signals) {}

  void run() override {
    leave_signals_to_the_owner(signals_);
    Worker worker(number_, std::move(tasks_), std::move(reports_));
    POLYPROC_FAIL_POINT("pool.worker_begins");
    try {
      if (initializer_) initializer_->run();
    } catch (const ProcessExit&) {
      throw;
    } catch (...) {
      worker.report_exception(0, Report::not_initialized);
      return;
    }
    POLYPROC_FAIL_POINT("pool.worker_initialized");
    worker.serve();
  }

  void encode(Encoder& out) const override {
    const DecodeTarget decode = &WorkerTarget::decode;
    out.write_function(reinterpret_cast<const void*>(decode));
    out.write_count(number_);
    out.write_block(tasks_.block());
    out.write_block(reports_.block());
    out.write(std::as_bytes(std::span(&signals_, 1)));
    out.write_count(initializer_ ? 1 : 0);
    if (initializer_) initializer_->encode(out);
  }

 private:
  static std::unique_ptr<ProcessTarget> decode(Decoder& in) {
    const auto number = static_cast<std::uint32_t>(in.read_count());
    ByteQueue tasks = open_pool_queue(in.read_block());
    ByteQueue reports = open_pool_queue(in.read_block());
    sigset_t signals;
    std::memcpy(&signals, in.read(sizeof signals).data(), sizeof signals);
    std::shared_ptr<ProcessTarget> initializer;
    if (in.read_count() != 0) initializer = read_target(in);
    return make_worker(number, tasks, reports, std::move(initializer), signals);
  }

  const std::uint32_t number_;
  ByteQueue tasks_;
  ByteQueue reports_;
  std::shared_ptr<ProcessTarget> initializer_;
  sigset_t signals_;
};

}  // namespace

ByteQueue make_pool_queue() { return {Arena::family(), BlockKind::queue, kPoolItem, 0}; }
ByteQueue open_pool_queue(BlockRef block) { return {std::move(block), BlockKind::queue, kPoolItem}; }

std::unique_ptr<ProcessTarget> make_worker(std::uint32_t number, const ByteQueue& tasks,
                                           const ByteQueue& reports,
                                           std::shared_ptr<ProcessTarget> initializer,
                                           const sigset_t& signals) {
  return std::make_unique<WorkerTarget>(number, tasks, reports, std::move(initializer), signals);
}

}  // namespace polyproc::inline v0
