// SPDX-License-Identifier: MIT
#include "manager/python_error.hpp"

#include <new>
#include <stdexcept>
#include <utility>

#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {
namespace {

Object class_of(std::string_view type) {
  const std::size_t dot = type.rfind('.');
  if (dot == std::string_view::npos) return Object::name("builtins", type);
  return Object::name(type.substr(0, dot), type.substr(dot + 1));
}

}  // namespace

PythonError::PythonError(std::string_view type)
    : exception_(Object::instance(class_of(type), Object::tuple())) {}
PythonError::PythonError(std::string_view type, Object argument)
    : exception_(Object::instance(class_of(type), Object::tuple({std::move(argument)}))) {}
PythonError::PythonError(std::string_view type, Object first, Object second)
    : exception_(Object::instance(class_of(type), Object::tuple({std::move(first), std::move(second)}))) {}

void rethrow_as_python_error() {
  try {
    throw;
  } catch (const PythonError&) {
    throw;
  } catch (const TypeMismatch& error) {
    throw PythonError("TypeError", error.what());
  } catch (const InvalidArgument& error) {
    throw PythonError("ValueError", error.what());
  } catch (const std::bad_alloc&) {
    throw PythonError("MemoryError");
  } catch (const std::length_error& error) {
    throw PythonError("MemoryError", error.what());
  } catch (const std::out_of_range& error) {
    throw PythonError("IndexError", error.what());
  } catch (const std::exception& error) {
    throw PythonError("RuntimeError", error.what());
  } catch (...) {
    throw PythonError("RuntimeError", "an exception that is none of std::exception's");
  }
}

}  // namespace polyproc::inline v0
