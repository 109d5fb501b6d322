// SPDX-License-Identifier: MIT
#include "process/function_token.hpp"

#include <elf.h>
#include <link.h>

#include <cstring>
#include <mutex>
#include <optional>

#include <fmt/format.h>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {
namespace {

struct Module {
  const dl_phdr_info* info;
  bool is_program;

  [[nodiscard]] std::string name() const { return is_program ? "the program" : info->dlpi_name; }
  [[nodiscard]] bool has_code_at(std::uint64_t offset) const {
    for (int i = 0; i < info->dlpi_phnum; ++i) {
      const ElfW(Phdr)& part = info->dlpi_phdr[i];
      const bool code = part.p_type == PT_LOAD && (part.p_flags & PF_X) != 0;
      if (code && offset >= part.p_vaddr && offset - part.p_vaddr < part.p_memsz) return true;
    }
    return false;
  }
};

std::string find_build_id(std::uint64_t at, std::uint64_t size, std::uint64_t align) {
  const auto padded = [&](std::uint64_t length) { return (length + align - 1) / align * align; };
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, reinterpret_cast<const void*>(at), sizeof note);
    const std::uint64_t value = sizeof note + padded(note.n_namesz);
    const std::uint64_t end = value + padded(note.n_descsz);
    if (end > size) break;
    const auto* bytes = reinterpret_cast<const char*>(at);
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
        std::memcmp(bytes + sizeof note, "GNU", 4) == 0)
      return std::string(bytes + value, note.n_descsz);
    at += end;
    size -= end;
  }
  return {};
}

std::string build_id(const Module& module) {
  for (int i = 0; i < module.info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = module.info->dlpi_phdr[i];
    if (part.p_type != PT_NOTE) continue;
    auto id = find_build_id(module.info->dlpi_addr + part.p_vaddr, part.p_memsz, part.p_align == 8 ? 8 : 4);
    if (!id.empty()) return id;
  }
  return {};
}

// Never destroyed: threads that end late may still use it.
std::mutex& looking() {
  static std::mutex& one = *new std::mutex;
  return one;
}

// The first module for which `look` gives something.
template <class Result, class Look>
std::optional<Result> search_modules(Look look) {
  struct Search {
    Look& look;
    std::optional<Result> found;
    bool first = true;
  } search{look, {}};
  const std::lock_guard guard(looking());
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto& state = *static_cast<Search*>(data);
        state.found = state.look(Module{info, state.first});
        state.first = false;
        return state.found ? 1 : 0;
      },
      &search);
  return std::move(search.found);
}

}  // namespace

void hold_modules() { looking().lock(); }
void let_modules_go() { looking().unlock(); }

FunctionToken make_function_token(const void* address) {
  const auto at = reinterpret_cast<std::uint64_t>(address);
  const auto token = search_modules<FunctionToken>([&](const Module& module) -> std::optional<FunctionToken> {
    const std::uint64_t offset = at - module.info->dlpi_addr;
    if (!module.has_code_at(offset)) return std::nullopt;
    return FunctionToken{module.is_program ? "" : build_id(module), module.name(), offset};
  });
  if (!token) {
    throw UsageError(
        "starting by spawn: a function lies in no loaded module (made at run time?); a new program cannot "
        "have it");
  }
  if (token->build_id.empty() && token->module != "the program") {
    throw UsageError(
        fmt::format("starting by spawn: {} has no build id by which the child could recognise it; link it "
                    "with -Wl,--build-id",
                    token->module));
  }
  return *token;
}

void* find_function(const FunctionToken& token) {
  const auto address =
      search_modules<std::uint64_t>([&](const Module& module) -> std::optional<std::uint64_t> {
        const bool matches = token.build_id.empty() ? module.is_program : build_id(module) == token.build_id;
        if (!matches || !module.has_code_at(token.offset)) return std::nullopt;
        return module.info->dlpi_addr + token.offset;
      });
  if (address) return reinterpret_cast<void*>(*address);
  throw UsageError(fmt::format(
      "starting by spawn: a function of {} is asked for, which this process has not loaded; load it before "
      "polyproc::init, or link the program with it",
      token.module));
}

}  // namespace polyproc::inline v0
