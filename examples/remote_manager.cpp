// SPDX-License-Identifier: MIT
// A manager's server and its clients as separate programs, over TCP, one of them plain CPython.
//
//     remote_manager server KEYFILE            prints its address, and serves
//     remote_manager client ADDRESS KEYFILE
//     remote_manager                           plays all parts, with remote_manager.py beside its source as the other client
#include <polyproc/manager/manager.hpp>
#include <polyproc/polyproc.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include <sys/stat.h>

namespace fs = std::filesystem;

int run_server(const std::string& key_file) {
  polyproc::ManagerServer server("127.0.0.1:0", polyproc::AuthKey::from_file(key_file),
                                 {.allow_md5 = true});  // for CPython 3.11 and older
  server.share("scores", "dict");
  std::cout << server.address() << std::endl;
  server.serve_forever();
  return 0;
}

int run_client(const std::string& address, const std::string& key_file) {
  const auto manager = polyproc::Manager::connect(address, polyproc::AuthKey::from_file(key_file));
  const polyproc::DictProxy<std::string, int> scores(manager.get("scores"));
  scores["Sam"] = 10;
  scores["Adam"] = 9;
  std::cout << "C++ client: " << scores << std::endl;
  return 0;
}

int play_all(const std::string& program) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("remote_manager-{}", ::getpid());
  fs::create_directory(folder);
  const std::string key_file = folder / "key";
  ::umask(077);
  std::ofstream(key_file) << "a secret that both know\n";

  std::FILE* const server = ::popen(fmt::format("'{}' server '{}'", program, key_file).c_str(), "r");
  char address[256] = "";
  int failed = server == nullptr || std::fscanf(server, "%255s", address) != 1 ? 1 : 0;
  if (failed == 0) {
    failed += std::system(fmt::format("'{}' client {} '{}'", program, address, key_file).c_str());
    failed += std::system(fmt::format("python3 -B '{}' {} '{}'",
                                      fs::path(__FILE__).replace_extension("py").string(), address, key_file)
                              .c_str());
    const auto manager = polyproc::Manager::connect(address, polyproc::AuthKey::from_file(key_file));
    std::cout << "Both: " << polyproc::DictProxy<std::string, int>(manager.get("scores")) << std::endl;
    manager.shutdown();
  }
  if (server != nullptr) failed += ::pclose(server);
  fs::remove_all(folder);
  return failed == 0 ? 0 : 1;
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);
  const std::string verb = argc > 1 ? argv[1] : "";
  if (argc == 1) return play_all(fs::read_symlink("/proc/self/exe").string());
  if (argc == 3 && verb == "server") return run_server(argv[2]);
  if (argc == 4 && verb == "client") return run_client(argv[2], argv[3]);
  std::cerr << "usage: remote_manager [server KEYFILE | client ADDRESS KEYFILE]\n";
  return 2;
}
