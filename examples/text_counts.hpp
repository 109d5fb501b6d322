// SPDX-License-Identifier: MIT
// What textstats counts, without any processes: lines, words, bytes and letters of files, and the files below a folder.
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/core.h>

enum Column : std::size_t { kFiles, kLines, kWords, kBytes, kLetterA, kColumns = kLetterA + 26 };
using Counts = std::array<std::uint64_t, kColumns>;

// `in_word`: did the text before this piece end within a word? Words are what white space parts.
inline Counts count_text(std::span<const unsigned char> text, bool& in_word) {
  if (text[0] == 0 &&
      std::memcmp(&text[0], &text[1], text.size() - 1) == 0) {  // zeros: a hole in a sparse file
    return {0, 0, std::exchange(in_word, true) ? 0u : 1u, text.size()};
  }
  std::array<std::array<std::uint32_t, 256>, 4>
      seen{};  // four, so that equal neighbours do not wait for each other
  std::uint64_t words = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = text[i];
    ++seen[i % 4][c];
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    words += !space && !in_word;
    in_word = !space;
  }
  const auto times = [&](std::size_t c) {
    return std::uint64_t{seen[0][c]} + seen[1][c] + seen[2][c] + seen[3][c];
  };
  Counts counts{};
  counts[kLines] = times('\n');
  counts[kWords] = words;
  counts[kBytes] = text.size();
  for (std::size_t i = 0; i < 26; ++i) counts[kLetterA + i] = times('a' + i) + times('A' + i);
  return counts;
}

// Reads a file piece by piece, whatever its size, and hands over each piece's counts. Returns why it cannot be read; then
// it is not counted as a file.
inline std::error_code count_file(const std::string& path, const std::function<void(const Counts&)>& add) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (!file) return {errno, std::system_category()};
  std::setvbuf(file.get(), nullptr, _IONBF, 0);
  std::vector<unsigned char> piece(1 << 18);
  bool in_word = false;
  while (const std::size_t got = std::fread(piece.data(), 1, piece.size(), file.get())) {
    add(count_text({piece.data(), got}, in_word));
  }
  if (std::ferror(file.get()) != 0) return {errno, std::system_category()};
  add(Counts{1});
  return {};
}

// Visits each regular file below `root`, or `root` if it is one. Links are not followed, so there are no loops. `refused`
// hears of folders that cannot be read.
inline void walk(const std::string& root, const std::function<void(const std::string&)>& visit,
                 const std::function<void(const std::string&, std::error_code)>& refused) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::is_regular_file(root, error)) return visit(root);
  for (std::vector<fs::path> folders{root}; !folders.empty();) {
    const fs::path folder = std::move(folders.back());
    folders.pop_back();
    fs::directory_iterator entry(folder, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      std::error_code vanished;
      const fs::file_status status = entry->symlink_status(vanished);
      if (fs::is_directory(status)) folders.push_back(entry->path());
      if (fs::is_regular_file(status)) visit(entry->path());
    }
    if (error) refused(folder, error);
  }
}

struct Result {
  Counts counts{};
  std::vector<std::string> unreadable;
  double seconds = 0;
};

inline void print(const Result& result) {
  const Counts& counts = result.counts;
  fmt::print("files {}, unreadable {}\n", counts[kFiles], result.unreadable.size());
  for (const std::string& problem : result.unreadable) fmt::print("  {}\n", problem);
  fmt::print("lines {}\nwords {}\nbytes {}\nletters", counts[kLines], counts[kWords], counts[kBytes]);
  for (std::size_t i = 0; i < 26; ++i) fmt::print(" {}:{}", static_cast<char>('a' + i), counts[kLetterA + i]);
  fmt::print("\n");
}
