// SPDX-License-Identifier: MIT
#include <polyproc/net/authkey.hpp>

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include <polyproc/os/error.hpp>
#include <polyproc/os/fd.hpp>

#include "net/random.hpp"

namespace polyproc::inline v0 {

AuthKey::AuthKey(std::span<const std::byte> bytes) : bytes_(bytes.begin(), bytes.end()) {
  if (bytes.empty()) throw InvalidArgument("authkey: it has no bytes; give a secret, or AuthKey::random()");
}

AuthKey& AuthKey::operator=(const AuthKey& other) {
  if (this == &other) return *this;
  wipe();
  bytes_ = other.bytes_;
  return *this;
}

AuthKey::~AuthKey() { wipe(); }

void AuthKey::wipe() noexcept { ::OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

AuthKey AuthKey::random() { return AuthKey(random_bytes(32)); }

AuthKey AuthKey::from_file(const std::filesystem::path& file) {
  const std::string& name = file.native();
  const os::Fd fd(os::checked("open", name, [&] { return ::open(name.c_str(), O_RDONLY | O_CLOEXEC); }));
  struct stat status {};
  os::checked("fstat", name, [&] { return ::fstat(fd.get(), &status); });
  if (S_ISREG(status.st_mode) && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    throw InvalidArgument(
        fmt::format("authkey file '{}': other users may read or write it; chmod 600 '{}'", name, name));
  std::vector<std::byte> bytes;
  std::array<std::byte, 4096> part;
  for (;;) {
    const auto count = os::checked("read", name, [&] { return ::read(fd.get(), part.data(), part.size()); });
    if (count == 0) break;
    bytes.insert(bytes.end(), part.begin(), part.begin() + count);
  }
  for (const char end : {'\n', '\r'})
    if (!bytes.empty() && bytes.back() == static_cast<std::byte>(end)) bytes.pop_back();
  if (bytes.empty())
    throw InvalidArgument(fmt::format("authkey file '{}': it is empty; write a secret into it", name));
  AuthKey key(bytes);
  ::OPENSSL_cleanse(bytes.data(), bytes.size());
  ::OPENSSL_cleanse(part.data(), part.size());
  return key;
}

}  // namespace polyproc::inline v0
