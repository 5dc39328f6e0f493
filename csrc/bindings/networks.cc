// Layers, losses, networks and the plans that they run.
#include <pybind11/stl.h>

#include "arrays.h"
#include "bindings.h"

namespace backpass::python {
namespace {

py::dict to_dict(const Attributes& attributes) {
  py::dict result;
  for (const auto& [key, value] : attributes) result[py::str(key)] = py::cast(value);
  return result;
}

Attributes to_attributes(const py::dict& settings) {
  Attributes attributes;
  for (const auto& [key, value] : settings) attributes.emplace_back(key.cast<std::string>(), value.cast<Attribute>());
  return attributes;
}

Loss make_loss(const std::string& type, const py::dict& settings) {
  if (type == "MSE") return MSE{};
  if (type == "HalfMSE") return HalfMSE{};
  if (type == "MAE") return MAE{};
  if (type == "Huber") return Huber{settings["delta"].cast<double>()};
  if (type == "BinaryCrossEntropy") return BinaryCrossEntropy{};
  if (type == "CrossEntropy") return CrossEntropy{};
  throw std::invalid_argument("there is no loss called " + type);
}

py::tuple value_and_grad(const Loss& loss, const py::object& prediction, const py::object& target,
                         const py::object& sample_weight) {
  const Argument p = argument(prediction, loss.type(), "prediction");
  const Argument t = argument(target, loss.type(), "target");
  const Argument w = optional_argument(sample_weight, loss.type(), "sample_weight");
  std::pair<double, Array> result;
  {
    const py::gil_scoped_release release;
    result = loss.value_and_grad(p.view, t.view, w.view);
  }
  return py::make_tuple(result.first, to_numpy(result.second));
}

void bind_descriptions(py::module_& m) {
  py::class_<Layer>(m, "Layer").def_property_readonly("type", &Layer::type);
  m.def(
      "make_layer",
      [](const std::string& type, const py::dict& settings) { return make_layer(type, to_attributes(settings)); },
      py::arg("type"), py::arg("settings"));
  py::class_<Loss>(m, "Loss")
      .def_property_readonly("type", &Loss::type)
      .def_property_readonly("takes_labels", &Loss::takes_labels)
      .def(
          "build",
          [](const Loss& loss, const Tensor& prediction, const Tensor& target, const std::optional<Tensor>& w) {
            return loss.build(prediction, target, w.value_or(Tensor()));
          },
          py::arg("prediction"), py::arg("target"), py::arg("sample_weight") = py::none())
      .def("value_and_grad", &value_and_grad, py::arg("prediction"), py::arg("target"),
           py::arg("sample_weight") = py::none());
  m.def("make_loss", &make_loss, py::arg("type"), py::arg("settings"));
}

void bind_plan(py::module_& m) {
  py::class_<CallInfo>(m, "Call", "One kernel call of a plan.")
      .def_readonly("name", &CallInfo::name)
      .def_readonly("phase", &CallInfo::phase)
      .def_readonly("detail", &CallInfo::detail)
      .def_readonly("reads", &CallInfo::reads)
      .def_readonly("writes", &CallInfo::writes)
      .def_readonly("stage", &CallInfo::stage)
      .def_readonly("tasks", &CallInfo::tasks)
      .def_readonly("shared", &CallInfo::shared)
      .def_readonly("flops", &CallInfo::flops)
      .def_readonly("bytes", &CallInfo::bytes)
      .def_readonly("milliseconds", &CallInfo::milliseconds)
      .def("__repr__",
           [](const CallInfo& call) { return "<Call " + call.phase + " " + call.name + " " + call.detail + ">"; });
  py::class_<PlanInfo>(m, "Plan", "What a compiled graph runs, call by call. Printing it shows exactly that.")
      .def_readonly("calls", &PlanInfo::calls)
      .def_readonly("batch_size", &PlanInfo::batch_size)
      .def_readonly("arena_bytes", &PlanInfo::arena_bytes)
      .def_readonly("isa", &PlanInfo::isa)
      .def_readonly("stages", &PlanInfo::stages)
      .def("__str__", &PlanInfo::to_string)
      .def("__repr__", &PlanInfo::to_string);
}

// Views by name into a flat buffer that belongs to `network`.
py::dict named_views(Network& network, void* flat) {
  const py::object owner = py::cast(network);
  py::dict views;
  for (const ParameterInfo& info : network.parameters()) {
    char* data = static_cast<char*>(flat) + info.offset * static_cast<Dim>(size_of(network.dtype()));
    views[py::str(info.name)] = writable_view(data, network.dtype(), info.shape, owner);
  }
  return views;
}

py::array flat_view(Network& network, void* flat) {
  return writable_view(flat, network.dtype(), {network.n_parameters()}, py::cast(network));
}

py::list layers_of(const Network& network) {
  py::list layers;
  for (const LayerInfo& info : network.layers()) {
    layers.append(py::make_tuple(info.type, to_dict(info.attributes), to_tuple(info.output_shape), info.n_parameters));
  }
  return layers;
}

py::array predict(Network& network, const py::object& x, Dim batch_size, int threads) {
  const Argument rows = argument(x, "predict", "x");
  require_castable(rows.view, network.dtype(), "predict", "x");
  Array result;
  {
    const py::gil_scoped_release release;
    result = network.predict(rows.view, batch_size, threads);
  }
  return to_numpy(result);
}

py::array forward(Network& network, const py::object& x, bool training, std::int64_t random_step) {
  const Argument rows = argument(x, "forward", "x");
  require_castable(rows.view, network.dtype(), "forward", "x");
  Array result;
  {
    const py::gil_scoped_release release;
    result = network.forward(rows.view, training, random_step);
  }
  return to_numpy(result);
}

py::array backward(Network& network, const py::object& grad_output) {
  const Argument grad = argument(grad_output, "backward", "grad_output");
  require_castable(grad.view, network.dtype(), "backward", "grad_output");
  Array result;
  {
    const py::gil_scoped_release release;
    result = network.backward(grad.view);
  }
  return to_numpy(result);
}

Network deserialize(const py::bytes& bytes) {
  const std::string_view view = bytes;
  return Network::deserialize(std::as_bytes(std::span(view.data(), view.size())));
}

void bind_network_facts(py::class_<Network>& network) {
  network.def_property_readonly("graph", &Network::graph)
      .def_property_readonly("dtype", [](const Network& self) { return std::string(name(self.dtype())); })
      .def_property_readonly("seed", &Network::seed)
      .def_property_readonly("n_parameters", &Network::n_parameters)
      .def_property_readonly("layers", &layers_of)
      .def("parameters", [](Network& self) { return named_views(self, self.flat_parameters()); })
      .def("gradients", [](Network& self) { return named_views(self, self.flat_gradients()); })
      .def_property_readonly("flat_parameters", [](Network& self) { return flat_view(self, self.flat_parameters()); })
      .def_property_readonly("flat_gradients", [](Network& self) { return flat_view(self, self.flat_gradients()); })
      .def("plan", &Network::plan, py::arg("batch_size"), py::arg("training"))
      .def("profile", &Network::profile, py::arg("batch_size"), py::arg("training"), py::arg("repeats"),
           py::call_guard<py::gil_scoped_release>())
      .def("memory_estimate", &Network::memory_estimate, py::arg("batch_size"));
}

// The shape of one row: what a network without an input shape is built for.
py::tuple row_shape(const py::object& x, const std::string& where) {
  const Argument rows = argument(x, where, "x");
  if (rows.view.shape.empty()) throw std::invalid_argument("[" + where + "] x must hold rows, got a single number");
  return to_tuple(Shape(rows.view.shape.begin() + 1, rows.view.shape.end()));
}

void bind_network(py::module_& m) {
  py::class_<Network> network(m, "Network");
  network
      .def(py::init([](std::vector<Tensor> inputs, std::vector<Tensor> outputs, std::optional<std::uint64_t> seed) {
             return Network(std::move(inputs), std::move(outputs), {seed});
           }),
           py::arg("inputs"), py::arg("outputs"), py::arg("seed"))
      .def("predict", &predict, py::arg("x"), py::arg("batch_size"), py::arg("threads"))
      .def("forward", &forward, py::arg("x"), py::arg("training"), py::arg("random_step"))
      .def("backward", &backward, py::arg("grad_output"))
      .def("zero_grad", &Network::zero_grad)
      .def("save", &Network::save, py::arg("path"), py::call_guard<py::gil_scoped_release>())
      .def_static("load", &Network::load, py::arg("path"), py::call_guard<py::gil_scoped_release>())
      .def("serialize", [](const Network& self) { return py::bytes(self.serialize()); })
      .def_static("deserialize", &deserialize, py::arg("data"))
      .def("load_weights", &Network::load_weights, py::arg("path"), py::call_guard<py::gil_scoped_release>())
      .def("clone", &Network::clone);
  bind_network_facts(network);
  m.def("row_shape", &row_shape, py::arg("x"), py::arg("where"));
  m.def(
      "sequential",
      [](const py::sequence& shape, const std::vector<Layer>& layers, std::optional<std::uint64_t> seed,
         const std::string& dtype, const std::string& precision) {
        return sequential(to_shape(shape), layers, {seed, parse_dtype(dtype), parse_precision(precision)});
      },
      py::arg("input_shape"), py::arg("layers"), py::arg("seed"), py::arg("dtype"), py::arg("precision"));
}

}  // namespace

void bind_networks(py::module_& module) {
  bind_descriptions(module);
  bind_plan(module);
  bind_network(module);
}

}  // namespace backpass::python
