// SPDX-License-Identifier: MIT
// The types that every server has, those of Python's SyncManager.
#pragma once

#include "manager/object_table.hpp"

namespace polyproc::inline v0 {

void add_builtin_types(ObjectTable& objects);

}  // namespace polyproc::inline v0
