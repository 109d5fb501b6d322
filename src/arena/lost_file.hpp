// SPDX-License-Identifier: MIT
// A host may close all descriptors, as daemons do, and open others under their numbers. The arena's mapping remains;
// this finds the file again, since memory is reserved and liveness is asked through a descriptor.
#pragma once

#include <polyproc/os/fd.hpp>

#include "arena/region.hpp"

namespace polyproc::inline v0 {

// A new description of the region's file; none when no way leads there: a named arena's path, this process's own mapping
// (which the kernel shows to the privileged only), or a descriptor of another process that is attached.
[[nodiscard]] os::Fd find_lost_file(const Region& region) noexcept;

}  // namespace polyproc::inline v0
