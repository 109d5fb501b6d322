// SPDX-License-Identifier: MIT
// Each CPython that is installed writes a large set of values; they are read, printed and written back, and CPython
// must find the same values again. cpython_peer.py is its side.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <polyproc/codec/codec.hpp>

#include "support/cpython.hpp"

namespace polyproc {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "polyproc-codec-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  [[nodiscard]] std::string operator/(const char* name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

bool run(const std::string& python, const std::string& verb, const std::string& file,
         const std::string& script = "cpython_peer.py") {
  const std::string command =
      "'" + python + "' -B tests/codec/" + script + " " + verb + " '" + file + "' >&2";
  return std::system(command.c_str()) == 0;  // NOLINT: a test runs a program
}

struct Record {
  std::uint64_t number, protocol;
  std::string text;
  std::vector<std::byte> data;
};

bool read_record(std::istream& in, Record& record) {
  std::uint64_t header[4];
  if (!in.read(reinterpret_cast<char*>(header), sizeof header)) return false;
  record.number = header[0], record.protocol = header[1];
  record.text.resize(header[2]), record.data.resize(header[3]);
  in.read(record.text.data(), static_cast<std::streamsize>(header[2]));
  return !!in.read(reinterpret_cast<char*>(record.data.data()), static_cast<std::streamsize>(header[3]));
}

void write_record(std::ostream& out, std::uint64_t number, int protocol, const std::vector<std::byte>& data) {
  const std::uint64_t header[4] = {number, static_cast<std::uint64_t>(protocol), 0, data.size()};
  out.write(reinterpret_cast<const char*>(header), sizeof header);
  out.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
}

// Values with a text must print as CPython prints them.
void check_and_return(const std::string& from, const std::string& to) {
  std::ifstream in(from, std::ios::binary);
  std::ofstream out(to, std::ios::binary);
  std::size_t count = 0;
  for (Record record; read_record(in, record); ++count) {
    SCOPED_TRACE(::testing::Message() << "value " << record.number << ", protocol " << record.protocol);
    Object value;
    ASSERT_NO_THROW(value = decode_pickle<Object>(record.data));
    if (!record.text.empty()) {
      ASSERT_EQ(value.repr(), record.text);
    }
    for (const int protocol : {4, 5}) {
      write_record(out, record.number, protocol, to_pickle(value, {.protocol = protocol}));
      // Beside other values, and in the layout that shares nothing.
      const auto beside = to_pickle(std::vector<Object>{value, Object(1)}, {.protocol = protocol});
      ASSERT_EQ(decode_pickle<std::vector<Object>>(beside)[0].kind(), value.kind());
    }
  }
  EXPECT_GT(count, 3000u);
}

TEST(StressCpython, ValuesGoBothWaysWithEachInstalledVersion) {
  const auto all = testing::installed_cpythons();
  ASSERT_FALSE(all.empty());
  for (const auto& [python, minor] : all) {
    SCOPED_TRACE(python);
    const Folder folder;
    ASSERT_TRUE(run(python, "write", folder / "theirs"));
    check_and_return(folder / "theirs", folder / "ours");
    if (HasFatalFailure()) return;
    EXPECT_TRUE(run(python, "check", folder / "ours"));
  }
}

// What only CPython can make anything of: kept, never made, and the same when it is back.
TEST(StressCpython, ObjectsOfUnknownClassesComeBack) {
  constexpr const char* kScript = "cpython_classes_peer.py";
  for (const auto& [python, minor] : testing::installed_cpythons()) {
    if (minor < 8) continue;  // the script's language
    SCOPED_TRACE(python);
    const Folder folder;
    ASSERT_TRUE(run(python, "write", folder / "theirs", kScript));
    std::ifstream in(folder / "theirs", std::ios::binary);
    std::ofstream out(folder / "ours", std::ios::binary);
    std::size_t refused = 0;
    for (Record record; read_record(in, record);) {
      SCOPED_TRACE(::testing::Message() << "value " << record.number << ", protocol " << record.protocol);
      Object value;
      ASSERT_NO_THROW(value = decode_any(record.data));
      EXPECT_EQ(value, decode_any(record.data));
      EXPECT_EQ(decode_any(to_pickle(value)), value);
      for (const int protocol : {4, 5})
        write_record(out, record.number, protocol, to_pickle(value, {.protocol = protocol}));
      try {
        (void)decode_pickle<Object>(record.data);
      } catch (const DecodeError&) {
        ++refused;
      }
    }
    EXPECT_GT(refused, 100u);
    out.close();
    EXPECT_TRUE(run(python, "check", folder / "ours", kScript));
  }
}

}  // namespace
}  // namespace polyproc
