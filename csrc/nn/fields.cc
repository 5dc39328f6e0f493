// What follows from the list of a description's settings.
#include "backpass/fields.h"

#include <algorithm>
#include <charconv>

#include "nn/activation.h"
#include "nn/attributes.h"
#include "nn/make.h"

namespace backpass {
namespace {

// "beta1" and "beta2" of "betas".
std::string part_of(const std::string& plural, int part) {
  return plural.substr(0, plural.size() - 1) + std::to_string(part);
}

std::string text_of(const std::vector<std::int64_t>& numbers) {
  std::string text;
  for (const std::int64_t number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

std::vector<std::int64_t> numbers_of(const std::string& name, const std::string& text) {
  std::vector<std::int64_t> numbers;
  for (const char *at = text.data(), *end = at + text.size(); at != end;) {
    const auto [stop, error] = std::from_chars(at, end, numbers.emplace_back());
    if (error != std::errc()) fail("attributes", '"', name, "\" must be integers, got \"", text, '"');
    at = std::find_if(stop, end, [](char c) { return c != ',' && c != ' '; });
  }
  return numbers;
}

// Writes one setting.
struct Writer {
  Attributes& to;
  const std::string name;
  LeftOut left_out;

  void operator()(const bool* value) const { to.emplace_back(name, *value); }
  void operator()(const std::int64_t* value) const { to.emplace_back(name, *value); }
  void operator()(const double* value) const { to.emplace_back(name, *value); }
  void operator()(const std::string* value) const { to.emplace_back(name, *value); }
  template <class T>
  void operator()(const std::optional<T>* value) const {
    if (*value)
      to.emplace_back(name, **value);
    else if (left_out == LeftOut::empty_text)
      to.emplace_back(name, std::string());
  }
  void operator()(const std::pair<double, double>* value) const {
    to.emplace_back(part_of(name, 1), value->first);
    to.emplace_back(part_of(name, 2), value->second);
  }
  void operator()(const std::vector<double>* value) const {
    if (!value->empty()) to.emplace_back(name, *value);
  }
  void operator()(const std::vector<std::int64_t>* value) const {
    if (value->size() == 1)
      to.emplace_back(name, value->front());
    else
      to.emplace_back(name, text_of(*value));
  }
  void operator()(const Initializer* value) const { to.emplace_back(name, value->name); }
  void operator()(const std::vector<Layer>* value) const {
    std::vector<Description> inner;
    for (const Layer& layer : *value) inner.push_back(layer.description());
    to.emplace_back(name, std::move(inner));
  }
};

// Reads one setting, if it is there.
struct Reader {
  const Attributes& from;
  const LayerParts& parts;
  const std::string name;

  template <class T>
  void operator()(T* value) const {
    *value = get(from, name, std::move(*value));
  }
  template <class T>
  void operator()(std::optional<T>* value) const {
    const Attribute* given = find_attribute(from, name);
    if (given != nullptr && *given != Attribute(std::string())) *value = find<T>(from, name);
  }
  void operator()(std::pair<double, double>* value) const {
    value->first = get(from, part_of(name, 1), value->first);
    value->second = get(from, part_of(name, 2), value->second);
  }
  void operator()(std::vector<std::int64_t>* value) const {
    const Attribute* given = find_attribute(from, name);
    if (given == nullptr) return;
    if (const std::int64_t* one = std::get_if<std::int64_t>(given))
      *value = {*one};
    else
      *value = numbers_of(name, get(from, name, std::string()));
  }
  void operator()(Initializer* value) const {
    if (const auto part = parts.initializers.find(name); part != parts.initializers.end())
      *value = part->second;
    else if (auto rule = find<std::string>(from, name))
      *value = *std::move(rule);
  }
  void operator()(std::vector<Layer>* value) const {
    if (const auto part = parts.layers.find(name); part != parts.layers.end())
      *value = part->second;
    else if (const auto inner = find<std::vector<Description>>(from, name))
      for (const Description& layer : *inner) value->push_back(make_layer(layer.type, layer.attributes));
  }
};

// Checks one setting.
struct Checker {
  const std::string& type;
  const Field& field;

  template <class T>
  void check_number(T value) const {
    if (!field.range.contains(static_cast<double>(value)))
      fail(type, field.name, " must be ", field.range.text, ", got ", value);
  }

  void operator()(const bool*) const {}
  void operator()(const std::int64_t* value) const { check_number(*value); }
  void operator()(const double* value) const { check_number(*value); }
  void operator()(const std::string* value) const {
    if (field.choices.empty() || std::ranges::find(field.choices, *value) != field.choices.end()) return;
    std::string known;
    for (const std::string& choice : field.choices) known += (known.empty() ? "" : ", ") + choice;
    fail(type, field.name, " must be one of ", known, ", got \"", *value, '"');
  }
  template <class T>
  void operator()(const std::optional<T>* value) const {
    if (*value) check_number(**value);
  }
  void operator()(const std::pair<double, double>* value) const {
    check_number(value->first);
    check_number(value->second);
  }
  template <class T>
  void operator()(const std::vector<T>* value) const {
    for (const T each : *value) check_number(each);
  }
  void operator()(const Initializer* value) const { check_initializer(type, *value); }
  void operator()(const std::vector<Layer>*) const {}
};

}  // namespace

Attributes attributes_of(const Fields& fields, LeftOut left_out) {
  Attributes attributes;
  for (const Field& field : fields) std::visit(Writer{attributes, field.name, left_out}, field.value);
  return attributes;
}

void read_fields(const Fields& fields, const Attributes& attributes, const LayerParts& parts) {
  for (const Field& field : fields) std::visit(Reader{attributes, parts, field.name}, field.value);
}

void check_fields(const std::string& type, const Fields& fields) {
  for (const Field& field : fields) std::visit(Checker{type, field}, field.value);
}

}  // namespace backpass
