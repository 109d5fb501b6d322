// SPDX-License-Identifier: MIT
// wordcount [FOLDER...]: the ten most frequent words of all text below some folders. As many processes as there are
// processors count files whose paths come through a queue, and send what they have counted, a map, through another; the
// parent merges. Then one process does the same alone. A word is a run of 2 to 64 letters (or bytes beyond ASCII), in
// lower case; a file with a zero byte near its start is no text.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <map>

#include <polyproc/polyproc.hpp>

#include "text_counts.hpp"

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Words = std::map<std::string, std::uint64_t>;

volatile std::sig_atomic_t interrupted = 0;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_letter(char c) { return (lower(c) >= 'a' && lower(c) <= 'z') || (c & 0x80) != 0; }

// Reads piece by piece. False when the file cannot be read.
bool count_words(const std::string& path, Words& words) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  std::vector<char> piece(1 << 16);
  std::string word;
  const auto end_word = [&] {
    if (word.size() >= 2 && word.size() <= 64) ++words[word];
    word.clear();
  };
  for (bool first = true; file && interrupted == 0; first = false) {
    const std::size_t got = std::fread(piece.data(), 1, piece.size(), file.get());
    if (got == 0 || (first && std::memchr(piece.data(), 0, got) != nullptr)) break;
    for (const char c : std::span(piece.data(), got)) {
      if (!is_letter(c))
        end_word();
      else if (word.size() <= 64)
        word += lower(c);
    }
  }
  end_word();
  return file && std::ferror(file.get()) == 0;
}

void work(polyproc::Queue<std::string> paths, polyproc::Queue<Words> counted,
          polyproc::Value<int> unreadable) {
  std::signal(SIGINT, SIG_DFL);  // a worker may end anywhere
  Words words;
  for (const std::string& path : paths) {
    if (!count_words(path, words)) unreadable.atomic().fetch_add(1);
    if (words.size() > 10'000) counted.put(std::exchange(words, {}));
  }
  counted.put(words);
}

void merge(const Words& from, Words& into) {
  for (const auto& [word, count] : from) into[word] += count;
}

// On stderr: on a terminal one line, rewritten, else a line a second.
void show_progress(std::uint64_t files_left, std::size_t words) {
  static const bool terminal = ::isatty(STDERR_FILENO) == 1;
  static Clock::time_point next = Clock::now() + 1s;
  if (files_left == 0 && terminal) fmt::print(stderr, "\r\033[K");
  if (files_left == 0 || Clock::now() < next) return;
  next = Clock::now() + (terminal ? 100ms : 1000ms);
  fmt::print(stderr, "{}{} files to do, {} words known{}", terminal ? "\r" : "", files_left, words,
             terminal ? "" : "\n");
}

Words count_by_workers(const std::vector<std::string>& files, int number, int& unreadable) {
  polyproc::Queue<std::string> paths;
  polyproc::Queue<Words> counted;
  polyproc::Value<int> failures;
  std::vector<polyproc::Process> workers;
  for (int i = 0; i < number; ++i)
    workers.emplace_back(polyproc::ProcessOptions{.daemon = true}, work, paths, counted, failures).start();
  paths.put_many(files);
  paths.shutdown();  // the workers drain it and end
  Words words;
  const auto running = [](const auto& worker) { return !worker.exitcode(); };
  while (interrupted == 0 && (std::ranges::any_of(workers, running) || !counted.empty())) {
    if (const auto more = counted.get_for(100ms)) merge(*more, words);
    show_progress(paths.qsize(), words.size());
  }
  for (const auto& worker : workers)
    if (interrupted == 0 && worker.exitcode() != 0) throw std::runtime_error("a worker has died");
  unreadable = failures;
  return words;
}

Words count_alone(const std::vector<std::string>& files, int& unreadable) {
  Words words;
  for (const std::string& path : files) unreadable += count_words(path, words) ? 0 : 1;
  return words;
}

void print_most_frequent(const Words& words) {
  std::vector<std::pair<std::string, std::uint64_t>> order(words.begin(), words.end());
  const auto ten = order.begin() + std::min<std::ptrdiff_t>(10, std::ssize(order));
  std::ranges::partial_sort(order, ten, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  for (auto word = order.begin(); word != ten; ++word) fmt::print("{:>9} {}\n", word->second, word->first);
}

int main(int argc, char** argv) {
  polyproc::init(argc, argv);
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::vector<std::string> folders(argv + 1, argv + argc);
  if (folders.empty()) folders = {"/usr/share/doc", "/usr/share/common-licenses"};
  std::vector<std::string> files;
  for (const std::string& folder : folders)
    walk(
        folder, [&](const auto& path) { files.push_back(path); },
        [](const auto& path, std::error_code error) {
          fmt::print(stderr, "wordcount: {}: {}\n", path, error.message());
        });
  try {
    const int workers = polyproc::cpu_count();
    int unreadable = 0, unreadable_alone = 0;
    const auto begin = Clock::now();
    const Words many = count_by_workers(files, workers, unreadable);
    const auto between = Clock::now();
    const Words one = interrupted == 0 ? count_alone(files, unreadable_alone) : Words();
    const auto end = Clock::now();
    if (interrupted != 0) return fmt::print(stderr, "\nwordcount: interrupted\n"), 130;
    print_most_frequent(many);
    const bool same = many == one && unreadable == unreadable_alone;
    const std::chrono::duration<double> together = between - begin, alone = end - between;
    fmt::print("{} files, {} unreadable, {} words; the results {}\n", files.size(), unreadable, many.size(),
               same ? "agree" : "DIFFER");
    fmt::print("{} worker processes: {:.2f} s; one process, afterwards: {:.2f} s; speed-up {:.2f}\n", workers,
               together.count(), alone.count(), alone / together);
    return same ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "\nwordcount: {}\n", error.what());
    return 1;
  }
}
