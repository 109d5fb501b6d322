// SPDX-License-Identifier: MIT
// Integer: a whole number of any size, as Python's int. It is a value to carry, compare and print; arithmetic is left to
// libraries for that, which take its text or its bytes.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <polyproc/os/config.hpp>

namespace polyproc::inline v0 {

class POLYPROC_API Integer {
 public:
  Integer() = default;
  template <std::integral I>
  Integer(I value)  // NOLINT: a whole number is an Integer
      : Integer(value < 0, value < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(value)
                                     : static_cast<std::uint64_t>(value)) {}

  // "-12"; nothing when the text is no decimal number. Time grows with the square of the length.
  [[nodiscard]] static std::optional<Integer> from_decimal(std::string_view text);
  // Two's complement, lowest byte first; no bytes are 0.
  [[nodiscard]] static Integer from_bytes(std::span<const std::byte> bytes);
  // The shortest two's complement, lowest byte first; none for 0.
  [[nodiscard]] std::vector<std::byte> to_bytes() const;
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] bool negative() const noexcept { return negative_; }
  [[nodiscard]] std::optional<std::int64_t> to_int64() const noexcept;
  [[nodiscard]] std::optional<std::uint64_t> to_uint64() const noexcept;
  // The nearest double; infinite beyond their range.
  [[nodiscard]] double to_double() const noexcept;
  // The whole number that a finite double without fraction is.
  [[nodiscard]] static Integer from_double(double value);
  // The same for equal numbers; `seed` keeps others from choosing numbers that collide.
  [[nodiscard]] std::uint64_t hash(std::uint64_t seed) const noexcept;

  friend bool operator==(const Integer&, const Integer&) = default;
  friend POLYPROC_API std::strong_ordering operator<=>(const Integer& a, const Integer& b) noexcept;
  friend POLYPROC_API std::ostream& operator<<(std::ostream& out, const Integer& value);

 private:
  Integer(bool negative, std::uint64_t magnitude);
  void trim() noexcept;

  bool negative_ = false;             // never for 0
  std::vector<std::uint32_t> limbs_;  // of the magnitude, lowest first; the last is not 0
};

}  // namespace polyproc::inline v0
