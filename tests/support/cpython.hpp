// SPDX-License-Identifier: MIT
// The CPython versions of this machine, for tests that need the real one at the other end.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace polyproc::testing {

struct Cpython {
  std::string program;
  int minor;  // 11 of 3.11

  // Before 3.12 multiprocessing knows no digest but MD5.
  [[nodiscard]] bool is_old() const noexcept { return minor < 12; }
};

// python3 and python3.x of PATH, and those of pyenv; each program once.
[[nodiscard]] std::vector<Cpython> installed_cpythons();

// A script that runs beside the test; what it prints is read line by line.
class CpythonScript {
 public:
  CpythonScript(const Cpython& python, const std::string& script, const std::string& arguments);
  CpythonScript(const CpythonScript&) = delete;
  CpythonScript& operator=(const CpythonScript&) = delete;
  ~CpythonScript();

  [[nodiscard]] std::string read_line();
  // Its exit code, once it has ended.
  [[nodiscard]] int join();

 private:
  std::FILE* output_;
};

}  // namespace polyproc::testing
