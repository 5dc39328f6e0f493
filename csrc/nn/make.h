// Descriptions made of their type and attributes; what all kinds share.
#pragma once

#include "backpass/layers.h"
#include "base/error.h"

namespace backpass {

// Sets what the attributes have. Throws std::invalid_argument where one is of another type than its setting.
void read_fields(const Fields& fields, const Attributes& attributes, const LayerParts& parts = {});

template <class D>
D with_attributes(const Attributes& attributes, const LayerParts& parts = {}) {
  D description{};
  if constexpr (Described<D>) read_fields(description.fields(), attributes, parts);
  return description;
}

// make(description) of the description of that type with these attributes. Throws std::invalid_argument where it is
// none of `Ds`; `kind`: of what.
template <class Made, class Make, class... Ds>
Made make_of(Types<Ds...>, const char* kind, const std::string& type, const Attributes& attributes, Make make,
             const LayerParts& parts = {}) {
  std::optional<Made> made;
  const auto try_one = [&]<class D>(const D& plain) {
    if (plain.type() != type) return false;
    made.emplace(make(with_attributes<D>(attributes, parts)));
    return true;
  };
  if (!(try_one(Ds{}) || ...)) fail(kind, "unknown type \"", type, '"');
  return *std::move(made);
}

}  // namespace backpass
