// SPDX-License-Identifier: MIT
// Certificates that are their own roots, made by openssl's program.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace polyproc::testing {

// NAME.pem and NAME.key in a folder; `names` as in "DNS:localhost,IP:127.0.0.1".
inline void make_certificate(const std::filesystem::path& folder, const std::string& name,
                             const std::string& names) {
  const std::string command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=" + name +
      " -addext subjectAltName=" + names + " -keyout " + (folder / (name + ".key")).string() + " -out " +
      (folder / (name + ".pem")).string() + " 2>/dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;  // NOLINT: a test runs a program
}

}  // namespace polyproc::testing
