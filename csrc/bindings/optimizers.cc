// Optimizers: made from a type and settings by name, and their state as dicts of arrays.
#include <pybind11/stl.h>

#include <cstring>

#include "arrays.h"
#include "bindings.h"

namespace backpass::python {
namespace {

OptimizerOptions to_options(const py::dict& given) {
  OptimizerOptions options;
  options.clip_norm = given["clip_norm"].cast<std::optional<double>>();
  options.clip_value = given["clip_value"].cast<std::optional<double>>();
  options.decay = given["decay"].cast<std::string>() == "matrices" ? Decay::matrices : Decay::all;
  if (!given["schedule"].is_none()) options.schedule = given["schedule"].attr("_native").cast<Schedule>();
  if (!given["decay_schedule"].is_none())
    options.decay_schedule = given["decay_schedule"].attr("_native").cast<Schedule>();
  for (const py::handle group : given["groups"].cast<py::list>())
    options.groups.push_back({group.attr("pattern").cast<std::string>(),
                              group.attr("learning_rate").cast<std::optional<double>>(),
                              group.attr("weight_decay").cast<std::optional<double>>()});
  return options;
}

py::dict optimizer_state(const Optimizer& optimizer) {
  OptimizerState state;
  {
    const WithoutLock release;
    state = optimizer.state_dict();
  }
  py::dict slots, result;
  for (const auto& [slot, arrays] : state.slots) {
    py::dict by_name;
    for (const auto& [name, array] : arrays) by_name[py::str(name)] = to_numpy(array);
    slots[py::str(slot)] = by_name;
  }
  result["type"] = state.type;
  result["steps"] = state.steps;
  result["learning_rate"] = state.learning_rate;
  result["epochs"] = state.epochs;
  result["slots"] = slots;
  return result;
}

// Through float64, which holds every number of both types.
Array slot_array(py::handle given, const std::string& where, const std::string& name) {
  const Argument source = argument(given, where, name);
  Array array(DType::float64, source.view.shape);
  const py::array dense = call(source.owner.attr("astype"), "float64", "C");
  std::memcpy(array.data(), dense.data(), array.bytes());
  return array;
}

void load_optimizer_state(Optimizer& optimizer, const std::string& type, std::int64_t steps, double learning_rate,
                          std::int64_t epochs, const py::dict& slots) {
  OptimizerState state{type, steps, learning_rate, epochs};
  for (const auto& [slot, arrays] : slots)
    for (const auto& [name, array] : py::reinterpret_borrow<py::dict>(arrays)) {
      const std::string parameter = name.cast<std::string>();
      state.slots[slot.cast<std::string>()].emplace(parameter, slot_array(array, optimizer.type(), parameter));
    }
  const WithoutLock release;
  optimizer.load_state_dict(std::move(state));
}

// `update` of the object: (weight, grad, slots, learning_rate, step) -> tensors; None where it steps by hand.
Optimizer composed_optimizer(const std::string& name, const py::dict& settings, const std::vector<std::string>& slots,
                             const py::object& update, const py::dict& options) {
  ComposedOptimizer own{name, settings["learning_rate"].cast<double>(), slots};
  for (auto& [key, value] : to_attributes(settings)) {
    if (key == "weight_decay")
      own.weight_decay = std::get<double>(value);
    else if (key != "learning_rate")
      own.settings.emplace_back(key, value);
  }
  if (!update.is_none())
    own.update = [held = hold(update)](const UpdateInputs& in) {
      const WithLock acquire;
      return (*held)(in.weight, in.grad, in.slots, in.learning_rate, in.step).cast<std::vector<Tensor>>();
    };
  return Optimizer(std::move(own), to_options(options));
}

using Tensors = std::vector<Tensor>;

py::tuple apply(const Optimizer& optimizer, const std::vector<std::string>& names, const Tensors& weights,
                const Tensors& grads, const std::vector<Tensors>& slots, const Tensor& steps) {
  const StepTensors next = optimizer.apply(names, {weights, slots, steps}, grads);
  return py::make_tuple(next.weights, next.slots, next.steps);
}

py::array slot(Optimizer& optimizer, Network& network, const std::string& name) {
  void* data = optimizer.slot(network, name);
  return writable_view(data, network.dtype(), {network.n_parameters()}, py::cast(optimizer));
}

}  // namespace

void bind_optimizers(py::module_& m) {
  py::class_<Schedule>(m, "Schedule").def("factor", &Schedule::factor, py::arg("t"));
  py::class_<Optimizer>(m, "Optimizer")
      .def_property("learning_rate", &Optimizer::learning_rate, &Optimizer::set_learning_rate)
      .def_property_readonly("steps", &Optimizer::steps)
      .def_property_readonly("current_learning_rate", &Optimizer::current_learning_rate)
      .def(
          "step",
          [](Optimizer& self, Network& network) {
            eager::change(network);
            const WithoutLock release;
            self.step(network);
          },
          py::arg("network"))
      .def("count_step", &Optimizer::count_step, py::arg("network"))
      .def("slot", &slot, py::arg("network"), py::arg("name"))
      .def("apply", &apply, py::arg("names"), py::arg("weights"), py::arg("grads"), py::arg("slots"), py::arg("steps"))
      .def("slots", &Optimizer::slots)
      .def("initial", &Optimizer::initial)
      .def("state_dict", &optimizer_state)
      .def("load_state_dict", &load_optimizer_state, py::arg("type"), py::arg("steps"), py::arg("learning_rate"),
           py::arg("epochs"), py::arg("slots"));
  m.def(
      "make_optimizer",
      [](const std::string& type, const py::dict& settings, const py::dict& options) {
        return Optimizer(Description{type, to_attributes(settings)}, to_options(options));
      },
      py::arg("type"), py::arg("settings"), py::arg("options"));
  m.def("composed_optimizer", &composed_optimizer, py::arg("name"), py::arg("settings"), py::arg("slots"),
        py::arg("update"), py::arg("options"));
}

}  // namespace backpass::python
