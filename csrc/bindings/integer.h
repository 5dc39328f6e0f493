// Whole numbers as callers typed them: read where it is known what they are called.
#pragma once

#include <pybind11/pybind11.h>

#include <limits>
#include <string>

namespace backpass::python {

// An argument that may be anything until as() looks at it. Bindings take this in place of C++ integers, whose casters
// know no names.
struct Integer {
  pybind11::object value;

  // TypeError where it is no whole number (a truth value is none), ValueError where it does not fit T.
  template <class T>
  T as(const std::string& where, const std::string& name) const {
    using Limits = std::numeric_limits<T>;
    const pybind11::int_ number = whole(where, name), low(Limits::min()), high(Limits::max());
    if (number < low || number > high) refuse(number, where, name, low, high);
    return number.cast<T>();
  }

 private:
  pybind11::int_ whole(const std::string& where, const std::string& name) const;
  [[noreturn]] static void refuse(const pybind11::int_& number, const std::string& where, const std::string& name,
                                  const pybind11::int_& low, const pybind11::int_& high);
};

}  // namespace backpass::python

template <>
struct pybind11::detail::type_caster<backpass::python::Integer> {
  PYBIND11_TYPE_CASTER(backpass::python::Integer, const_name("int"));
  bool load(handle source, bool) {
    value.value = reinterpret_borrow<object>(source);
    return true;
  }
};
