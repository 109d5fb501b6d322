// SPDX-License-Identifier: MIT
// Which types are told to hold pointers: all is known when this is compiled.
#include <polyproc/codec/holds_pointers.hpp>

#include <chrono>
#include <complex>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace polyproc {
namespace {

enum class Colour { red };
struct Nothing {};
struct Plain {
  int id;
  double x, y;
  Colour colour;
  bool flag : 1;
};
struct Pointer {
  int id;
  int* next;
};
struct LatePointer {  // the pointer lies beyond as many members as the outer struct has
  int a, b, c;
  char* text;
};
struct Deep {
  Plain plain;
  LatePointer hidden;
};
struct Reference {
  int a;
  int& b;
};
struct Text {
  char text[1024];
  int length;
};
struct TextAndPointer {
  char text[1024];
  int length;
  const char* end;
};
struct PointerArray {
  int count;
  const char* names[4];
};
struct Matrix {
  double cells[4][4];
};
struct Grid {
  Pointer cells[2][2];
};
struct View {
  std::string_view name;
};
struct Range {
  std::array<std::span<int>, 2> parts;
};
struct Derived : Plain {
  int more;
};
struct DerivedFromPointer : LatePointer {
  int more;
};
struct Function {
  int (*call)(int);
};
struct Member {
  int Plain::*which;
};
struct Owning {
  std::string name;
  std::vector<int> numbers;
  std::map<std::string, int> counts;
};
struct Smart {
  std::string name;
  std::unique_ptr<int> value;
};
struct Defaults {
  int a = 1;
  std::array<float, 3> b{};
  std::optional<int> c = 3;
};
struct Bytes64K {
  unsigned char bytes[65536];
};
struct Tree {
  int value;
  std::vector<Tree> children;
};
class Private {
 public:
  explicit Private(int value) : value_(value) {}
  [[nodiscard]] int value() const { return value_; }

 private:
  int value_;
};

struct HasPrivate {
  int a;
  Private b;
};
struct OptionalThenPointer {
  std::optional<int> a;
  std::variant<int, float> b;
  int* c;
};
struct Options {
  std::optional<int> a;
  std::optional<std::string> b;
  std::variant<int, std::string> c;
};
struct OptionalPointer {
  std::optional<int*> a;
};
struct OptionalView {
  std::optional<std::string_view> a;
};

static_assert(!kHoldsPointers<HasPrivate> && !kHoldsPointers<Options> &&
              kHoldsPointers<OptionalThenPointer> && kHoldsPointers<OptionalPointer> &&
              kHoldsPointers<OptionalView>);
static_assert(!kHoldsPointers<int> && !kHoldsPointers<Colour> && !kHoldsPointers<std::byte>);
static_assert(!kHoldsPointers<Nothing> && !kHoldsPointers<Plain> && !kHoldsPointers<const Plain>);
static_assert(!kHoldsPointers<Text> && !kHoldsPointers<Matrix> && !kHoldsPointers<Bytes64K>);
static_assert(!kHoldsPointers<Derived> && !kHoldsPointers<Owning> && !kHoldsPointers<Defaults> &&
              !kHoldsPointers<Private> && !kHoldsPointers<Tree>);
static_assert(!kHoldsPointers<std::complex<double>> && !kHoldsPointers<std::chrono::nanoseconds> &&
              !kHoldsPointers<std::chrono::system_clock::time_point>);
static_assert(!kHoldsPointers<std::pair<int, Plain>> && !kHoldsPointers<std::tuple<>> &&
              !kHoldsPointers<std::optional<Text>> && !kHoldsPointers<std::variant<int, std::string>>);

static_assert(kHoldsPointers<int*> && kHoldsPointers<int&> && kHoldsPointers<std::nullptr_t>);
static_assert(kHoldsPointers<void (*)()> && kHoldsPointers<int Plain::*> && kHoldsPointers<int (Plain::*)()>);
static_assert(kHoldsPointers<std::string_view> && kHoldsPointers<std::span<int, 3>> &&
              kHoldsPointers<std::reference_wrapper<int>> && kHoldsPointers<std::unique_ptr<int>>);
static_assert(kHoldsPointers<Pointer> && kHoldsPointers<LatePointer> && kHoldsPointers<Deep> &&
              kHoldsPointers<Reference>);
static_assert(kHoldsPointers<TextAndPointer> && kHoldsPointers<PointerArray> && kHoldsPointers<Grid>);
static_assert(kHoldsPointers<View> && kHoldsPointers<Range> && kHoldsPointers<DerivedFromPointer>);
static_assert(kHoldsPointers<Function> && kHoldsPointers<Member> && kHoldsPointers<Smart>);
static_assert(kHoldsPointers<Pointer[3]> && kHoldsPointers<std::array<Deep, 2>> &&
              kHoldsPointers<std::pair<int, int*>> && kHoldsPointers<std::tuple<int, View>> &&
              kHoldsPointers<std::optional<const char*>> && kHoldsPointers<std::variant<int, Pointer>>);

TEST(HoldsPointers, IsKnownWhenTheProgramIsCompiled) { EXPECT_TRUE(kHoldsPointers<Deep>); }

}  // namespace
}  // namespace polyproc
