// Reading the settings of a description by name.
#pragma once

#include <optional>

#include "backpass/types.h"
#include "base/error.h"

namespace backpass {

inline const Attribute* find_attribute(const Attributes& attributes, const std::string& name) {
  for (const auto& [key, value] : attributes)
    if (key == name) return &value;
  return nullptr;
}

// The setting, if it is there; a number may be written as an integer. Throws std::invalid_argument where it has another
// type.
template <class T>
std::optional<T> find(const Attributes& attributes, const std::string& name) {
  const Attribute* value = find_attribute(attributes, name);
  if (value == nullptr) return {};
  if (const T* held = std::get_if<T>(value)) return *held;
  if constexpr (std::is_same_v<T, double>)
    if (const std::int64_t* whole = std::get_if<std::int64_t>(value)) return static_cast<double>(*whole);
  fail("attributes", '"', name, "\" has the wrong type");
}

template <class T>
T get(const Attributes& attributes, const std::string& name, T otherwise) {
  return find<T>(attributes, name).value_or(std::move(otherwise));
}

}  // namespace backpass
