// SPDX-License-Identifier: MIT
// What goes between the processes of an arena and its keeper of descriptors: packets, each answered by one. The contract is in
// docs/shared-layout.md, section Parcel.
#pragma once

#include <cstddef>
#include <cstdint>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

// The letter whose descriptors they are.
struct ParcelKey {
  std::uint64_t offset;
  std::uint64_t generation;
  friend bool operator==(const ParcelKey&, const ParcelKey&) = default;
};

enum class KeeperAct : std::uint32_t {
  store = 1,  // the descriptors that come along are those from `first` on
  take =
      2,  // gives those from `first` on, as many as a packet holds; a second answer says that it has closed its own
  look = 3,  // a letter has been dropped; not answered
};

inline constexpr std::uint32_t kKeeperForm = 1;

struct KeeperRequest {
  std::uint32_t form = kKeeperForm;
  KeeperAct act;
  ParcelKey parcel;
  std::uint64_t first = 0;
  std::uint64_t count = 0;  // of the parcel's descriptors
};

struct KeeperAnswer {
  std::int32_t error = 0;   // an errno
  std::uint32_t count = 0;  // of descriptors that come along
};

}  // namespace polyproc::inline v0
