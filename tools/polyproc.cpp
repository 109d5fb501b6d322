// SPDX-License-Identifier: MIT
// polyproc: the command-line tool. `polyproc serve` runs a manager's server in the foreground.
#include <signal.h>
#include <sys/signalfd.h>

#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <polyproc/manager/server.hpp>
#include <polyproc/os/error.hpp>

namespace {

struct ServeArguments {
  std::string address;
  std::string key_file;
  bool allow_md5 = false;
  std::string certificate, certificate_key;
  std::vector<std::string> shared;
  polyproc::LogLevel level = polyproc::LogLevel::info;
};

const std::map<std::string, polyproc::LogLevel> kLevels{{"debug", polyproc::LogLevel::debug},
                                                        {"info", polyproc::LogLevel::info},
                                                        {"warning", polyproc::LogLevel::warning},
                                                        {"error", polyproc::LogLevel::error}};

void log(polyproc::LogLevel from, polyproc::LogLevel level, std::string_view text) {
  if (level < from) return;
  for (const auto& [name, each] : kLevels)
    if (each == level) fmt::print(stderr, "polyproc serve: {}: {}\n", name, text);
}

// A descriptor that is readable when the program is asked to end.
polyproc::os::Fd end_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  return polyproc::os::Fd(polyproc::os::checked("signalfd", "the signals",
                                                [&] { return ::signalfd(-1, &signals, SFD_CLOEXEC); }));
}

void serve(const ServeArguments& arguments) {
  polyproc::ServeOptions options;
  options.allow_md5 = arguments.allow_md5;
  if (!arguments.certificate.empty())
    options.tls = polyproc::Tls::server(arguments.certificate, arguments.certificate_key);
  options.log = [from = arguments.level](polyproc::LogLevel level, std::string_view text) {
    log(from, level, text);
  };
  const polyproc::os::Fd signals = end_signals();
  polyproc::ManagerServer server(arguments.address, polyproc::AuthKey::from_file(arguments.key_file),
                                 std::move(options));
  for (const std::string& each : arguments.shared) {
    const std::size_t equals = each.find('=');
    if (equals == std::string::npos)
      throw polyproc::InvalidArgument("--share takes NAME=TYPE, such as records=list, and not '" + each +
                                      "'");
    server.share(each.substr(0, equals), each.substr(equals + 1));
  }
  server.shut_down_with(signals.get(), "the program was asked to end");
  fmt::print("{}\n", server.address());
  std::fflush(stdout);
  server.serve_forever();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Processes that work together", "polyproc"};
  app.set_version_flag("--version", POLYPROC_VERSION_STRING);
  app.require_subcommand(1);
  ServeArguments arguments;
  CLI::App& verb = *app.add_subcommand(
      "serve", "Runs a manager's server until SIGINT or SIGTERM; prints its address first");
  verb.add_option("--address", arguments.address, "HOST:PORT, unix:PATH or unix:@NAME; port 0: a free one")
      ->required();
  verb.add_option("--authkey-file", arguments.key_file, "The key, in a file that its owner alone can read")
      ->required();
  verb.add_flag("--allow-md5", arguments.allow_md5, "Clients may be CPython 3.11 and older");
  auto* certificate =
      verb.add_option("--tls-cert", arguments.certificate, "Certificate chain (PEM); with --tls-key: TLS");
  auto* key = verb.add_option("--tls-key", arguments.certificate_key, "The certificate's private key (PEM)");
  certificate->needs(key);
  key->needs(certificate);
  verb.add_option("--share", arguments.shared,
                  "NAME=TYPE, may be repeated: an object (list, dict, set, Queue, Lock...) under a name")
      ->allow_extra_args(false);
  verb.add_option("--log-level", arguments.level, "debug, info, warning or error")
      ->transform(CLI::CheckedTransformer(kLevels));
  try {
    app.parse(argc, argv);
    serve(arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const std::exception& error) {
    fmt::print(stderr, "polyproc serve: {}\n", error.what());
    return 1;
  }
  return 0;
}
