// SPDX-License-Identifier: MIT
// Forwards to where element formats are: the codec, which stands below shared values, needs them as well.
#pragma once

#include <polyproc/codec/element_format.hpp>
