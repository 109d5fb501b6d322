// SPDX-License-Identifier: MIT
// What the tests of processes share: both start methods, and a patience beyond which a test has failed.
#pragma once

#include <gtest/gtest.h>
#include <polyproc/process/process.hpp>

#include <chrono>
#include <string>

namespace polyproc::testing {

inline constexpr std::chrono::seconds kLong{20};

class EachMethod : public ::testing::TestWithParam<StartMethod> {
 protected:
  [[nodiscard]] static ProcessOptions options() { return {.method = GetParam()}; }
};

inline const auto kMethods = ::testing::Values(StartMethod::fork, StartMethod::spawn);
inline std::string method_name(const ::testing::TestParamInfo<StartMethod>& info) {
  return std::string(to_string(info.param));
}

}  // namespace polyproc::testing
