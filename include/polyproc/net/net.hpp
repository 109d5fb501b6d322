// SPDX-License-Identifier: MIT
// Everything between programs that know an address of each other: one include.
#pragma once

#include <polyproc/net/listener.hpp>
