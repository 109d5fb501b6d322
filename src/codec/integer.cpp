// SPDX-License-Identifier: MIT
// Conversions of Integer.
#include <polyproc/codec/integer.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <ostream>

#include "codec/sip_hash.hpp"

namespace polyproc::inline v0 {

namespace {

constexpr std::uint32_t kBillion = 1'000'000'000;
constexpr std::size_t kBillionDigits = 9;

// limbs = limbs * factor + more
void multiply_add(std::vector<std::uint32_t>& limbs, std::uint32_t factor, std::uint32_t more) {
  std::uint64_t carry = more;
  for (std::uint32_t& limb : limbs) {
    carry += std::uint64_t{limb} * factor;
    limb = static_cast<std::uint32_t>(carry);
    carry >>= 32;
  }
  if (carry != 0) limbs.push_back(static_cast<std::uint32_t>(carry));
}

// Divides in place; the remainder.
std::uint32_t divide(std::vector<std::uint32_t>& limbs, std::uint32_t divisor) {
  std::uint64_t rest = 0;
  for (auto limb = limbs.rbegin(); limb != limbs.rend(); ++limb) {
    rest = rest << 32 | *limb;
    *limb = static_cast<std::uint32_t>(rest / divisor);
    rest %= divisor;
  }
  while (!limbs.empty() && limbs.back() == 0) limbs.pop_back();
  return static_cast<std::uint32_t>(rest);
}

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Integer::Integer(bool negative, std::uint64_t magnitude) : negative_(negative) {
  for (; magnitude != 0; magnitude >>= 32) limbs_.push_back(static_cast<std::uint32_t>(magnitude));
}

void Integer::trim() noexcept {
  while (!limbs_.empty() && limbs_.back() == 0) limbs_.pop_back();
  if (limbs_.empty()) negative_ = false;
}

std::optional<Integer> Integer::from_decimal(std::string_view text) {
  Integer result;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (!is_digits(text)) return std::nullopt;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.size(), at + kBillionDigits);
    std::uint32_t factor = 1;
    std::uint32_t digits = 0;
    for (; at < end; ++at) {
      factor *= 10;
      digits = digits * 10 + static_cast<std::uint32_t>(text[at] - '0');
    }
    multiply_add(result.limbs_, factor, digits);
  }
  result.negative_ = negative;
  result.trim();
  return result;
}

Integer Integer::from_bytes(std::span<const std::byte> bytes) {
  Integer result;
  if (bytes.empty()) return result;
  result.negative_ = (bytes.back() & std::byte{0x80}) != std::byte{0};
  result.limbs_.assign((bytes.size() + 3) / 4, 0);
  std::uint32_t carry = result.negative_ ? 1 : 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto byte = std::to_integer<std::uint32_t>(bytes[i]);
    if (result.negative_) {  // the magnitude is the complement plus one
      byte = (byte ^ 0xff) + carry;
      carry = byte >> 8;
      byte &= 0xff;
    }
    result.limbs_[i / 4] |= byte << (8 * (i % 4));
  }
  if (carry != 0) result.limbs_.push_back(0);
  if (carry != 0) result.limbs_[bytes.size() / 4] |= carry << (8 * (bytes.size() % 4));
  result.trim();
  return result;
}

std::vector<std::byte> Integer::to_bytes() const {
  std::vector<std::byte> bytes;
  if (limbs_.empty()) return bytes;
  bytes.reserve(limbs_.size() * 4 + 1);
  std::uint32_t carry = negative_ ? 1 : 0;
  for (std::size_t i = 0; i < limbs_.size() * 4 + 1; ++i) {
    std::uint32_t byte = i / 4 < limbs_.size() ? limbs_[i / 4] >> (8 * (i % 4)) & 0xff : 0;
    if (negative_) {
      byte = (byte ^ 0xff) + carry;
      carry = byte >> 8;
    }
    bytes.push_back(static_cast<std::byte>(byte));
  }
  const std::byte sign = negative_ ? std::byte{0xff} : std::byte{0};
  while (bytes.size() > 1 && bytes.back() == sign &&
         ((bytes[bytes.size() - 2] ^ sign) & std::byte{0x80}) == std::byte{0})
    bytes.pop_back();
  return bytes;
}

std::string Integer::to_string() const {
  if (limbs_.empty()) return "0";
  std::string text;
  for (std::vector<std::uint32_t> rest = limbs_; !rest.empty();) {
    std::uint32_t digits = divide(rest, kBillion);
    for (std::size_t i = 0; i < kBillionDigits && (digits != 0 || !rest.empty()); ++i, digits /= 10)
      text.push_back(static_cast<char>('0' + digits % 10));
  }
  if (negative_) text.push_back('-');
  std::ranges::reverse(text);
  return text;
}

std::optional<std::uint64_t> Integer::to_uint64() const noexcept {
  if (negative_ || limbs_.size() > 2) return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = limbs_.size(); i-- > 0;) value = value << 32 | limbs_[i];
  return value;
}

std::optional<std::int64_t> Integer::to_int64() const noexcept {
  if (limbs_.size() > 2) return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = limbs_.size(); i-- > 0;) value = value << 32 | limbs_[i];
  if (value > (std::uint64_t{1} << 63) - (negative_ ? 0 : 1)) return std::nullopt;
  return static_cast<std::int64_t>(negative_ ? 0 - value : value);
}

// The upper 64 bits, the last of them set if any lower one is: rounding that once is rounding the whole once.
double Integer::to_double() const noexcept {
  if (limbs_.empty()) return 0;
  const int top = std::countl_zero(limbs_.back());
  const std::size_t bits = limbs_.size() * 32 - static_cast<std::size_t>(top);
  std::uint64_t upper = 0;
  bool lower = false;
  for (std::size_t i = 0; i < limbs_.size(); ++i) {
    const auto shift = static_cast<std::ptrdiff_t>(i * 32) - static_cast<std::ptrdiff_t>(bits) + 64;
    if (shift <= -32) {
      lower |= limbs_[i] != 0;
    } else if (shift < 0) {
      lower |= (limbs_[i] & ((std::uint32_t{1} << -shift) - 1)) != 0;
      upper |= limbs_[i] >> -shift;
    } else {
      upper |= std::uint64_t{limbs_[i]} << shift;
    }
  }
  const int exponent = bits > 2000 ? 2000 : static_cast<int>(bits) - 64;
  const double magnitude = std::ldexp(static_cast<double>(upper | (lower ? 1U : 0U)), exponent);
  return negative_ ? -magnitude : magnitude;
}

Integer Integer::from_double(double value) {
  int exponent = 0;
  const double fraction = std::frexp(std::fabs(value), &exponent);
  Integer result;
  if (exponent <= 0) return result;
  auto mantissa = static_cast<std::uint64_t>(std::ldexp(fraction, 64));
  int shift = exponent - 64;
  if (shift < 0) mantissa >>= -shift, shift = 0;
  result.limbs_.assign(static_cast<std::size_t>(shift) / 32 + 3, 0);
  const auto at = static_cast<std::size_t>(shift) / 32;
  const int bit = shift % 32;
  const std::array<std::uint32_t, 2> halves{static_cast<std::uint32_t>(mantissa),
                                            static_cast<std::uint32_t>(mantissa >> 32)};
  for (std::size_t i = 0; i < halves.size(); ++i) {
    const std::uint64_t moved = std::uint64_t{halves[i]} << bit;
    result.limbs_[at + i] |= static_cast<std::uint32_t>(moved);
    result.limbs_[at + i + 1] |= static_cast<std::uint32_t>(moved >> 32);
  }
  result.negative_ = value < 0;
  result.trim();
  return result;
}

std::uint64_t Integer::hash(std::uint64_t seed) const noexcept {
  return detail::sip_hash(std::as_bytes(std::span(limbs_)), seed + (negative_ ? 1 : 0));
}

std::strong_ordering operator<=>(const Integer& a, const Integer& b) noexcept {
  if (a.negative_ != b.negative_)
    return a.negative_ ? std::strong_ordering::less : std::strong_ordering::greater;
  const Integer& low = a.negative_ ? b : a;
  const Integer& high = a.negative_ ? a : b;
  if (low.limbs_.size() != high.limbs_.size()) return low.limbs_.size() <=> high.limbs_.size();
  return std::lexicographical_compare_three_way(low.limbs_.rbegin(), low.limbs_.rend(), high.limbs_.rbegin(),
                                                high.limbs_.rend());
}

std::ostream& operator<<(std::ostream& out, const Integer& value) { return out << value.to_string(); }

}  // namespace polyproc::inline v0
