// Layers, losses, schedules and optimizers by name, and what settings they have.
#include <pybind11/stl.h>

#include "arrays.h"
#include "bindings.h"

namespace backpass::python {

py::dict to_dict(const Attributes& attributes) {
  const auto convert = [](const auto& value) -> py::object {
    if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::vector<Description>>) {
      py::list layers;
      for (const Description& layer : value) layers.append(py::make_tuple(layer.type, to_dict(layer.attributes)));
      return layers;
    } else {
      return py::cast(value);
    }
  };
  py::dict result;
  for (const auto& [key, value] : attributes) result[py::str(key)] = std::visit(convert, value);
  return result;
}

namespace {

std::vector<Description> to_descriptions(const py::list& layers) {
  std::vector<Description> descriptions;
  for (const py::handle pair : layers) {
    const auto [type, inner] = pair.cast<std::pair<std::string, py::dict>>();
    descriptions.push_back({type, to_attributes(inner)});
  }
  return descriptions;
}

Attribute to_attribute(const std::string& name, const py::handle& value) {
  if (py::isinstance<py::list>(value)) return to_descriptions(py::reinterpret_borrow<py::list>(value));
  if (py::isinstance<py::tuple>(value)) return value.cast<std::vector<double>>();
  if (PyIndex_Check(value.ptr()) && !PyBool_Check(value.ptr()))
    return Integer{py::reinterpret_borrow<py::object>(value)}.as<Dim>("settings", name);
  const auto plain = value.cast<std::variant<bool, double, std::string>>();
  return std::visit([](const auto& content) -> Attribute { return content; }, plain);
}

bool holds_layers(const py::handle& value) {
  return py::isinstance<py::list>(value) && py::len(value) > 0 &&
         py::isinstance<Layer>(py::reinterpret_borrow<py::list>(value)[0]);
}

Layer to_layer(const std::string& type, const py::dict& settings) {
  Attributes attributes;
  LayerParts parts;
  for (const auto& [key, value] : settings) {
    const std::string name = key.cast<std::string>();
    if (PyCallable_Check(value.ptr()) != 0)
      parts.initializers.emplace(name, to_initializer(py::reinterpret_borrow<py::object>(value)));
    else if (holds_layers(value))
      parts.layers.emplace(name, value.cast<std::vector<Layer>>());
    else
      attributes.emplace_back(name, to_attribute(name, value));
  }
  return make_layer(type, attributes, parts);
}

// What a setting is, as `kind` and, where it may be left out, None as its default.
struct Told {
  py::dict& field;

  void tell(const char* kind, py::object value) const {
    field["kind"] = kind;
    field["default"] = std::move(value);
  }

  void operator()(const bool* value) const { tell("flag", py::cast(*value)); }
  void operator()(const std::int64_t* value) const { tell("integer", py::cast(*value)); }
  void operator()(const double* value) const { tell("number", py::cast(*value)); }
  void operator()(const std::string* value) const { tell("text", or_none(*value)); }
  void operator()(const std::optional<std::int64_t>* value) const { tell("integer", py::cast(*value)); }
  void operator()(const std::optional<double>* value) const { tell("number", py::cast(*value)); }
  void operator()(const std::pair<double, double>* value) const { tell("pair", py::cast(*value)); }
  void operator()(const std::vector<double>*) const { tell("numbers", py::none()); }
  void operator()(const std::vector<std::int64_t>* value) const {
    tell("integers", value->size() == 1 ? py::object(py::int_(value->front())) : py::none());
  }
  void operator()(const Initializer* value) const { tell("initializer", or_none(value->name)); }
  void operator()(const std::vector<Layer>*) const { tell("layers", py::none()); }

 private:
  static py::object or_none(const std::string& text) { return text.empty() ? py::none() : py::cast(text); }
};

py::dict told(const Field& field) {
  py::dict result;
  result["name"] = field.name;
  result["text"] = field.text;
  result["must_be"] = field.range.text;
  result["allows"] = py::cpp_function([range = field.range](double value) { return range.contains(value); });
  result["choices"] = py::tuple(py::cast(field.choices));
  std::visit(Told{result}, field.value);
  return result;
}

// The fields of each type, by its name.
template <class... Ds>
py::dict told_types(Types<Ds...>) {
  py::dict types;
  const auto tell = [&](auto description) {
    py::list fields;
    if constexpr (Described<decltype(description)>)
      for (const Field& field : description.fields()) fields.append(told(field));
    types[py::str(description.type())] = fields;
  };
  (tell(Ds{}), ...);
  return types;
}

py::dict descriptions() {
  py::dict kinds;
  kinds["layer"] = told_types(LayerTypes{});
  kinds["loss"] = told_types(LossTypes{});
  kinds["optimizer"] = told_types(OptimizerTypes{});
  kinds["schedule"] = told_types(ScheduleTypes{});
  return kinds;
}

}  // namespace

Attributes to_attributes(const py::dict& settings) {
  Attributes attributes;
  for (const auto& [key, value] : settings) {
    const std::string name = key.cast<std::string>();
    attributes.emplace_back(name, to_attribute(name, value));
  }
  return attributes;
}

Initializer to_initializer(const py::object& given, double gain) {
  if (py::isinstance<py::str>(given)) return {given.cast<std::string>(), gain};
  const Callable function = hold(given);
  const auto fill = [function](std::span<double> values, const Shape& shape, std::uint64_t seed) {
    const WithLock acquire;
    const Argument drawn = argument(call(*function, to_tuple(shape), seed), "initializer", "its result");
    if (drawn.view.shape != shape)
      throw std::invalid_argument("[initializer] must give an array of shape " + to_string(shape) + ", got " +
                                  to_string(drawn.view.shape));
    const py::array dense = call(drawn.owner.attr("astype"), "float64", "C");
    std::copy_n(static_cast<const double*>(dense.data()), values.size(), values.begin());
  };
  return {Initializer::Fill(fill), gain};
}

void bind_descriptions(py::module_& m) {
  m.def("descriptions", &descriptions);
  m.def("make_layer", &to_layer, py::arg("type"), py::arg("settings"));
  m.def(
      "make_loss",
      [](const std::string& type, const py::dict& settings) { return make_loss(type, to_attributes(settings)); },
      py::arg("type"), py::arg("settings"));
  m.def(
      "make_schedule",
      [](const std::string& type, const py::dict& settings) { return make_schedule(type, to_attributes(settings)); },
      py::arg("type"), py::arg("settings"));
}

}  // namespace backpass::python
