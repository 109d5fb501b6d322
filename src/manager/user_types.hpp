// SPDX-License-Identifier: MIT
// The classes that the program has registered, as a server has them.
#pragma once

#include <memory>
#include <vector>

#include <polyproc/manager/user_type.hpp>

#include "manager/object_table.hpp"

namespace polyproc::inline v0 {

[[nodiscard]] std::vector<std::shared_ptr<detail::UserType>> registered_types();
// Those that are not registered here yet.
void register_types(std::vector<detail::UserType> types);
// Throws InvalidArgument for a name that is taken.
std::shared_ptr<detail::UserType> register_type(std::string name);

// Of all that are registered now.
void add_user_types(ObjectTable& objects);

}  // namespace polyproc::inline v0
