// SPDX-License-Identifier: MIT
// The wording of DecodeError.
#include <polyproc/codec/decode_error.hpp>

#include <fmt/format.h>

namespace polyproc::inline v0 {

DecodeError::DecodeError(const std::string& what, std::size_t offset)
    : Error(fmt::format("decode: {} (at byte {})", what, offset)), offset_(offset), reason_(what) {}
DecodeError::~DecodeError() = default;

}  // namespace polyproc::inline v0
