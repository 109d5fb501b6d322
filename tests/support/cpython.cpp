// SPDX-License-Identifier: MIT
#include "support/cpython.hpp"

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace polyproc::testing {
namespace {

namespace fs = std::filesystem;

// -1 for what is no CPython 3, such as a shim for a version that is not chosen.
int minor_version(const std::string& program) {
  std::FILE* output =
      ::popen(("'" + program + "' -c 'import sys; print(sys.version_info[1])' 2>/dev/null").c_str(), "r");
  int minor = -1;
  if (output == nullptr || std::fscanf(output, "%d", &minor) != 1) minor = -1;
  if (output != nullptr) ::pclose(output);
  return minor;
}

}  // namespace

std::vector<Cpython> installed_cpythons() {
  std::vector<fs::path> folders;
  std::istringstream path(std::getenv("PATH") == nullptr ? "" : std::getenv("PATH"));
  // Shims are slow, and lead to programs that are found below.
  for (std::string folder; std::getline(path, folder, ':');)
    if (!folder.ends_with("/shims")) folders.emplace_back(folder);
  std::error_code ignored;
  if (const char* home = std::getenv("HOME")) {
    for (const auto& entry : fs::directory_iterator(fs::path(home) / ".pyenv/versions", ignored))
      folders.push_back(entry.path() / "bin");
  }
  std::set<fs::path> seen;
  for (const fs::path& folder : folders) {
    for (int minor = 5; minor < 30; ++minor) {
      const fs::path name = minor == 5 ? "python3" : "python3." + std::to_string(minor);
      const fs::path program = fs::canonical(folder / name, ignored);
      if (!ignored && !program.string().ends_with("pyenv") &&
          program.filename().string().starts_with("python3."))
        seen.insert(program);
    }
  }
  std::vector<Cpython> all;
  for (const fs::path& program : seen) {
    if (const int minor = minor_version(program.string()); minor >= 0)
      all.push_back({program.string(), minor});
  }
  return all;
}

CpythonScript::CpythonScript(const Cpython& python, const std::string& script, const std::string& arguments)
    : output_(::popen(("exec '" + python.program + "' -B " + script + " " + arguments).c_str(), "re")) {
  if (output_ == nullptr) throw std::runtime_error("popen");
}

CpythonScript::~CpythonScript() { (void)join(); }

std::string CpythonScript::read_line() {
  std::string line;
  for (int c = std::fgetc(output_); c != EOF && c != '\n'; c = std::fgetc(output_))
    line.push_back(static_cast<char>(c));
  return line;
}

int CpythonScript::join() {
  std::FILE* output = std::exchange(output_, nullptr);
  if (output == nullptr) return -1;
  const int status = ::pclose(output);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace polyproc::testing
