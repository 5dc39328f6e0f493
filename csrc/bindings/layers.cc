// Layers, and classes written in Python.
#include <pybind11/stl.h>

#include <array>
#include <cstring>

#include "arrays.h"
#include "bindings.h"

namespace backpass::python {

namespace {

// A class written in Python: `_build` of the object, which lives as long as somebody may call its handle.
struct PythonLayer {
  std::string name;
  Attributes settings;
  Callable object;  // a weak reference: the object holds its handle

  std::string type() const { return name; }
  Attributes attributes() const { return settings; }
  Tensor build(LayerContext&, const std::vector<Tensor>& xs) const {
    const WithLock acquire;
    return call((*object)().attr("_build"), xs).cast<Tensor>();
  }
};

LayerContext& current_layer(const char* who) {
  LayerContext* context = LayerContext::current();
  if (context == nullptr)
    throw std::runtime_error(std::string("[Layer] ") + who + "() works only while the layer is called");
  return *context;
}

py::tuple to_arrays(const std::vector<ArrayView>& views) {
  py::tuple arrays(views.size());
  for (std::size_t i = 0; i < views.size(); ++i) arrays[i] = to_numpy(views[i]);
  return arrays;
}

py::tuple to_arrays(const ArrayView& first, std::vector<ArrayView> views) {
  views.insert(views.begin(), first);
  return to_arrays(views);
}

// What a function written in Python gave, as an array of ours; None is no gradient.
Array result_array(const py::handle& given, DType dtype, const std::string& who) {
  if (given.is_none()) return {};
  const Argument result = argument(given, who, "its result");
  Array array(dtype, result.view.shape);
  const Dim rows = result.view.rows();
  const std::size_t bytes = rows > 0 ? array.bytes() / static_cast<std::size_t>(rows) : 0;
  const py::object cast = call(result.owner.attr("astype"), numpy_dtype(dtype), "C");
  if (rows > 0 && bytes > 0) std::memcpy(array.data(), py::array(cast).data(), array.bytes());
  return array;
}

// Of the run, which may be a copy of the network in another type.
DType real_dtype(const std::vector<ArrayView>& values) {
  for (const ArrayView& view : values)
    if (view.type == ElementType::float64) return DType::float64;
  return DType::float32;
}

// `forward(*arrays)` and `backward(grad, *arrays)` of an object written in Python.
Tensor call_python(const std::string& name, const py::object& forward, const py::object& backward,
                   const std::vector<Tensor>& inputs, const py::object& shape) {
  HostFunction function{name, {}, {}};
  function.forward = [=, f = hold(forward)](const std::vector<ArrayView>& values) {
    const WithLock acquire;
    const py::object result = call_object(*f, to_arrays(values));
    if (result.is_none()) throw py::type_error("[" + name + "] forward must give an array, got None");
    return result_array(result, real_dtype(values), name);
  };
  function.backward = [=, f = hold(backward)](const std::vector<ArrayView>& values, const ArrayView&,
                                              const ArrayView& grad) {
    const WithLock acquire;
    const py::object result = call_object(*f, to_arrays(grad, values));
    if (result.is_none())
      throw py::type_error("[" + name +
                           "] backward must give an array, or a tuple with one (or None) for each input, " +
                           "got None: is a return missing?");
    const DType dtype = real_dtype({grad});
    std::vector<Array> grads;
    if (py::isinstance<py::tuple>(result) || py::isinstance<py::list>(result))
      for (const py::handle part : result) grads.push_back(result_array(part, dtype, name));
    else
      grads.push_back(result_array(result, dtype, name));
    return grads;
  };
  return host_call(std::move(function), inputs, to_shape(shape, name));
}

void bind_own_layers(py::module_& m) {
  m.def("host_call", &call_python, py::arg("name"), py::arg("forward"), py::arg("backward"), py::arg("inputs"),
        py::arg("shape"));
  m.def(
      "python_layer",
      [](const std::string& type, const py::dict& settings, const py::object& object) {
        return Layer(PythonLayer{type, to_attributes(settings), hold(py::weakref(object))});
      },
      py::arg("type"), py::arg("settings"), py::arg("object"));
  m.def(
      "layer_parameter",
      [](const std::string& name, const py::object& shape, const py::object& initializer, double gain) {
        return current_layer("parameter")
            .parameter(name, to_shape(shape, "parameter"), to_initializer(initializer, gain));
      },
      py::arg("name"), py::arg("shape"), py::arg("initializer"), py::arg("gain"));
  m.def(
      "layer_state",
      [](const std::string& name, const py::object& shape, const py::object& initializer) {
        return current_layer("state").state(name, to_shape(shape, "state"), to_initializer(initializer));
      },
      py::arg("name"), py::arg("shape"), py::arg("initializer"));
  m.def(
      "layer_z", [](const Tensor& z) { current_layer("set_z").set_z(z); }, py::arg("z"));
}

}  // namespace

void bind_layers(py::module_& m) {
  m.def("activations", &activations);
  m.def("plain_activations", [] {
    std::vector<std::array<std::string, 4>> found;  // function, layer, documentation, what it makes of -1, 0 and 2
    for (const ElementwiseRow& row : kElementwise)
      if (row.layer != nullptr) found.push_back({row.name, row.layer, row.doc, row.example});
    return found;
  });
  py::class_<Layer>(m, "Layer")
      .def_property_readonly("type", &Layer::type)
      .def_property_readonly("number", &Layer::number)
      .def("__call__", &Layer::call, py::arg("inputs"), py::arg("name"));
  bind_own_layers(m);
}

}  // namespace backpass::python
