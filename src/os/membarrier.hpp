// SPDX-License-Identifier: MIT
// membarrier(2): a full memory barrier on every running thread of every registered process. It lets the common side
// of a handshake do without a fence: the rare side runs it instead.
#pragma once

namespace polyproc::inline v0::os {

// Registers this process; false where the kernel or a sandbox does not offer the call.
bool register_membarrier() noexcept;

// After this returns, every registered process has executed a full barrier at some point during the call.
void global_membarrier() noexcept;

}  // namespace polyproc::inline v0::os
