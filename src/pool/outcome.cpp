// SPDX-License-Identifier: MIT
// How tasks end, as bytes and as exceptions.
#include <polyproc/pool/task.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <exception>

#include <fmt/format.h>
#include <polyproc/codec/remote_error.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/process/current.hpp>
#include <polyproc/process/exit.hpp>

#include "os/exception_type.hpp"

namespace polyproc::inline v0 {

TaskFunction::~TaskFunction() = default;
TaskReferences::~TaskReferences() = default;

std::uint64_t TaskReferences::add_block(const BlockRef& block) { return named_.add_block(block); }

std::uint64_t TaskReferences::add_descriptor(int descriptor) {
  copies_.emplace_back(os::checked("fcntl", "a descriptor among a task's arguments",
                                   [&] { return ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0); }));
  return named_.add_descriptor(copies_.back().get());
}

BlockRef TaskReferences::block(std::uint64_t number) { return named_.block(number); }
os::Fd TaskReferences::descriptor(std::uint64_t number) { return named_.descriptor(number); }

void write_exception(Encoder& out) {
  std::string message;
  try {
    throw;
  } catch (const ProcessExit&) {
    throw;
  } catch (const RemoteError& error) {  // of a pool within the task: it tells where it was thrown first
    out.write_text(error.type());
    out.write_text(error.message());
    out.write_text(error.origin());
    return;
  } catch (const std::exception& error) {
    message = error.what();
  } catch (const std::string& text) {
    message = text;
  } catch (const char* text) {
    message = text;
  } catch (...) {  // NOLINT: its type says all that can be said
  }
  out.write_text(os::current_exception_type());
  out.write_text(message);
  out.write_text(fmt::format("{} (pid {})", current_process().name(), ::getpid()));
}

void throw_exception(Decoder& in) {
  const std::string type(in.read_text());
  const std::string message(in.read_text());
  throw RemoteError(std::string(in.read_text()), type, message);
}

void detail::Exceptions::add(std::uint64_t index) {
  write_exception(texts);
  indices.push_back(index);
  ends.push_back(texts.bytes().size());
}

void detail::Exceptions::write(Encoder& out, std::size_t begin, std::size_t raw) const {
  constexpr std::size_t kNumbers = 2 * sizeof(std::uint64_t);
  const auto all = out.bytes().subspan(begin + kNumbers);
  const std::vector<std::byte> results(all.begin(), all.end());
  out.truncate(begin + sizeof(std::uint64_t));
  out.write_count(indices.size());
  std::size_t text = 0;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    out.write_count(indices[i]);
    out.write(texts.bytes().subspan(text, ends[i] - text));
    text = ends[i];
  }
  std::span<const std::byte> rest = results;
  std::uint64_t next = 0;  // the element that is first in the rest
  for (std::size_t i = 0; raw != 0 && i < indices.size(); ++i) {
    const std::size_t good = (indices[i] - next) * raw;
    out.write(rest.first(good));
    rest = rest.subspan(good + raw);
    next = indices[i] + 1;
  }
  out.write(rest);
}

void TaskOutcome::require_result() const {
  switch (end) {
    case TaskEnd::value:
    case TaskEnd::partly:
      return;
    case TaskEnd::raised: {
      Decoder in(result());
      throw_exception(in);
    }
    case TaskEnd::lost:
      throw WorkerLost(text, exitcode);
    case TaskEnd::timed_out:
      throw TimeoutError(text);
    case TaskEnd::broken:
      throw BrokenPool(text);
    case TaskEnd::cancelled:
      throw Cancelled(text);
    case TaskEnd::ended:
      throw Closed(text);
    case TaskEnd::refused:
      throw Error(text);
    case TaskEnd::none:
      break;
  }
  throw UsageError("taking the outcome of a task: it has not ended");
}

}  // namespace polyproc::inline v0
