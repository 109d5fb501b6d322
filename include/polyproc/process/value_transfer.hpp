// SPDX-License-Identifier: MIT
// Arguments that Transfer has no form of its own for travel as the codec writes them: Object, sets, variants, plain structs
// with strings and containers, connections, types with a Codec; with the shared objects and descriptors that they name.
#pragma once

#include <cstdint>
#include <vector>

#include <polyproc/codec/codec.hpp>
#include <polyproc/process/transfer.hpp>

namespace polyproc::inline v0 {

namespace detail {

template <class T>
inline constexpr bool kHasTransfer = RawTransferable<T> || SharedHandle<T> || FunctionPointer<T> ||
                                     std::is_member_function_pointer_v<T> || kByElements<T>;
template <>
inline constexpr bool kHasTransfer<std::string> = true;
template <class T, class A>
inline constexpr bool kHasTransfer<std::vector<T, A>> = true;
template <class T, std::size_t N>
inline constexpr bool kHasTransfer<std::array<T, N>> = true;
template <class K, class V, class C, class A>
inline constexpr bool kHasTransfer<std::map<K, V, C, A>> = true;
template <class K, class V, class H, class E, class A>
inline constexpr bool kHasTransfer<std::unordered_map<K, V, H, E, A>> = true;

// The shared objects and descriptors of one value, before its bytes in the call.
class POLYPROC_API ArgumentHandles final : public HandleTable {
 public:
  void write(Encoder& out) const;
  void read(Decoder& in);

  std::uint64_t add_block(const BlockRef& block) override;
  std::uint64_t add_descriptor(int descriptor) override;
  BlockRef block(std::uint64_t number) override;
  os::Fd descriptor(std::uint64_t number) override;

 private:
  std::vector<BlockRef> blocks_;
  std::vector<int> sent_;
  std::vector<os::Fd> received_;
};

}  // namespace detail

template <class T>
requires(!detail::kHasTransfer<T> && PickleValue<T> &&
         !detail::LeadsToPointers<T>::value) struct Transfer<T> {
  static void encode(Encoder& out, const T& value) {
    detail::ArgumentHandles handles;
    Writer writer({.handles = &handles});
    encode_pickle(value, writer);
    handles.write(out);
    out.write_count(writer.bytes().size());
    out.write(writer.bytes());
  }
  static T decode(Decoder& in) {
    detail::ArgumentHandles handles;
    handles.read(in);
    const std::uint64_t size = in.read_length(1);
    return decode_pickle<T>(in.read(size), &handles);
  }
};

}  // namespace polyproc::inline v0
