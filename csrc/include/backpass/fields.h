// The settings of a description, listed once: attributes, construction by name and checks follow from the list.
#pragma once

#include <concepts>
#include <limits>
#include <optional>

#include "backpass/types.h"

namespace backpass {

struct Initializer;
class Layer;

// What a number may be: from `least` to `most`, and whether either is allowed itself. Messages say "must be <text>".
struct Range {
  const char* text;
  double least, most;
  bool least_too = true, most_too = true;

  constexpr bool contains(double value) const {
    return (least_too ? value >= least : value > least) && (most_too ? value <= most : value < most);
  }
};

inline constexpr double kLargest = std::numeric_limits<double>::max();
inline constexpr Range kNumber{"a number", -std::numeric_limits<double>::infinity(),
                               std::numeric_limits<double>::infinity()};
inline constexpr Range kFinite{"finite", -kLargest, kLargest};
inline constexpr Range kNotNegative{"finite and not negative", 0, kLargest};
inline constexpr Range kPositive{"positive and finite", 0, kLargest, false};
inline constexpr Range kAboveZero{"finite and above 0", 0, kLargest, false};
inline constexpr Range kCount{"positive", 1, kLargest};
inline constexpr Range kFraction{"in [0, 1]", 0, 1};
inline constexpr Range kPart{"between 0 and 1", 0, 1};
inline constexpr Range kWithin{"between 0 and 1", 0, 1, false, false};
inline constexpr Range kBelowOne{"at least 0 and below 1", 0, 1, true, false};

// One setting: its name, where it lies, what it means and what it may be. What may be left out is an optional or an
// empty vector; a pair has two attributes, "betas" those of "beta1" and "beta2".
struct Field {
  using Value = std::variant<bool*, std::int64_t*, double*, std::string*, std::optional<std::int64_t>*,
                             std::optional<double>*, std::pair<double, double>*, std::vector<double>*,
                             std::vector<std::int64_t>*, Initializer*, std::vector<Layer>*>;

  Field(const char* called, Value place, const char* meaning, Range allowed = kFinite)
      : name(called), value(place), text(meaning), range(allowed) {}
  Field(const char* called, std::string* place, const char* meaning, std::vector<std::string> allowed)
      : name(called), value(place), text(meaning), choices(std::move(allowed)) {}

  const char* name;
  Value value;
  const char* text;
  Range range = kFinite;
  std::vector<std::string> choices = {};  // of a text; empty: any
};
using Fields = std::vector<Field>;

// A description that lists its settings: `Fields fields()`, which point into it.
template <class D>
concept Described = requires(D d) {
  { d.fields() } -> std::same_as<Fields>;
};

// How what is left out is saved: not at all, or as an empty text.
enum class LeftOut : unsigned char { omitted, empty_text };

Attributes attributes_of(const Fields& fields, LeftOut left_out = LeftOut::omitted);
template <Described D>
Attributes attributes_of(D description, LeftOut left_out = LeftOut::omitted) {
  return attributes_of(description.fields(), left_out);
}

// Throws std::invalid_argument that names the first setting out of range.
void check_fields(const std::string& type, const Fields& fields);
template <class D>
void check_fields(const D& description) {
  if constexpr (Described<D>) {
    D copy = description;
    check_fields(copy.type(), copy.fields());
  }
}

// Several types of descriptions.
template <class... Ds>
struct Types {};

}  // namespace backpass
