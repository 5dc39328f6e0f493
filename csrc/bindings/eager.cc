// Eager tensors: values, gradients, calls of networks and losses.
#include <backpass/eager.h>
#include <pybind11/stl.h>

#include "arrays.h"
#include "bindings.h"
#include "integer.h"

namespace backpass::python {
namespace {

DType dtype_for(const ArrayView& view, const py::object& given, bool is_array) {
  if (!given.is_none()) {
    const auto name = py::str(given).cast<std::string>();
    return name == "int32" ? DType::int32 : parse_dtype(name);
  }
  switch (view.type) {
    case ElementType::float64:
      return is_array ? DType::float64 : DType::float32;
    case ElementType::float32:
    case ElementType::float16:
    case ElementType::bfloat16:
    case ElementType::boolean:
      return DType::float32;
    case ElementType::int8:
    case ElementType::int16:
    case ElementType::int32:
    case ElementType::int64:
    case ElementType::uint8:
    case ElementType::uint16:
    case ElementType::uint32:
    case ElementType::uint64:
      return DType::int32;
  }
  return DType::float32;
}

Tensor tensor_of(const py::object& value, const py::object& dtype, bool requires_grad) {
  const Argument given = argument(value, "tensor", "value");
  return eager::tensor(given.view, dtype_for(given.view, dtype, py::hasattr(value, "__array__")), requires_grad);
}

// A new array, which the caller may change.
py::array copied(const Tensor& t) { return to_numpy(ArrayView(eager::value(t))); }

py::object item_of(const Tensor& t) {
  const Array value = eager::value(t);
  if (element_count(value.shape()) != 1)
    throw std::invalid_argument("[Tensor] is no number: it has shape " + to_string(value.shape()));
  switch (value.dtype()) {
    case DType::float32:
      return py::float_(static_cast<double>(value.values<float>()[0]));
    case DType::float64:
      return py::float_(value.values<double>()[0]);
    case DType::int32:
      return py::int_(value.values<std::int32_t>()[0]);
  }
  return py::none();
}

Tensor optional_tensor(const std::optional<Tensor>& t) { return t.value_or(Tensor()); }

py::object or_none(const Tensor& t) { return t ? py::cast(t) : py::object(py::none()); }

// What a hook is shown lives on where it keeps it.
Array call_hook(const py::object& hook, const Array& grad) {
  const WithLock acquire;
  const py::object given = call(hook, eager::tensor(grad, grad.dtype()));
  if (given.is_none()) return {};
  if (py::isinstance<Tensor>(given)) return eager::value(given.cast<Tensor>());
  const Argument array = argument(given, "register_hook", "what the hook gives");
  return eager::value(eager::tensor(array.view, grad.dtype()));
}

bool flag(const py::object& value, const char* where, const char* name) {
  if (!py::isinstance<py::bool_>(value))
    throw py::type_error("[" + std::string(where) + "] " + name + " must be True or False, got " +
                         py::repr(value).cast<std::string>());
  return value.cast<bool>();
}

// What the elements of a tensor are weighed with: a tensor, or an array in its type.
Tensor seed_for(const Tensor& t, const py::object& gradient) {
  if (gradient.is_none()) return {};
  if (py::isinstance<Tensor>(gradient)) return gradient.cast<Tensor>();
  return eager::tensor(argument(gradient, "backward", "gradient").view, t.dtype());
}

void bind_values(py::class_<Tensor>& tensor) {
  tensor.def_property_readonly("is_eager", &eager::is_eager, "Whether it has a value, or follows from some that have.")
      .def_property_readonly("has_value", &eager::has_value,
                             "Whether it can be asked for its elements: so are constants and random numbers, too.")
      .def_property_readonly("is_leaf", &eager::is_leaf, "Whether nothing with a gradient made it.")
      .def_property("requires_grad", &eager::requires_grad, &eager::set_requires_grad,
                    "Whether `backward` asks for gradients of it, or of what it is made from.")
      .def(
          "requires_grad_",
          [](const Tensor& t, const py::object& on) {
            eager::set_requires_grad(t, flag(on, "requires_grad_", "requires_grad"));
            return t;
          },
          py::arg("requires_grad") = py::bool_(true), "Sets `requires_grad`, and gives the tensor.")
      .def_property(
          "grad", [](const Tensor& t) { return eager::is_eager(t) ? or_none(eager::grad(t)) : py::object(py::none()); },
          [](const Tensor& t, const std::optional<Tensor>& grad) { eager::set_grad(t, optional_tensor(grad)); },
          "The gradient that `backward` has left, a tensor; None where there is none.")
      .def("retain_grad", &eager::retain_grad, "Keeps the gradient of a tensor that is no leaf, as `grad`.")
      .def("detach", &eager::detach, "Its value, without what it was made from.")
      .def("_array", &copied)
      .def("_item", &item_of)
      .def("_assign",
           [](const Tensor& t, const py::object& values) {
             if (py::isinstance<Tensor>(values)) return eager::assign(t, eager::value(values.cast<Tensor>()));
             eager::assign(t, argument(values, "Tensor", "values").view);
           })
      .def("_add_hook",
           [](const Tensor& t, const py::object& hook) {
             return eager::add_hook(t, [held = hold(hook)](const Array& grad) { return call_hook(*held, grad); });
           })
      .def("_remove_hook", &eager::remove_hook)
      .def(
          "backward",
          [](const Tensor& t, const py::object& gradient, const py::object& retain_graph) {
            eager::backward(t, seed_for(t, gradient), flag(retain_graph, "backward", "retain_graph"));
          },
          py::arg("gradient") = py::none(), py::arg("retain_graph") = py::bool_(false),
          documented("backward",
                     "Adds the gradients of this number to `grad` of all leaves that it follows from and that require\n"
                     "one, and to the gradients of models that it is made with.\n\n"
                     "Args:\n"
                     "    gradient: for a tensor that is not one number: what its elements are weighed with, in its "
                     "shape.\n"
                     "    retain_graph: whether it can be differentiated again; otherwise what was recorded is let go "
                     "of.\n\n"
                     "Raises:\n"
                     "    ValueError: if nothing requires a gradient, or a backward before has let go of the "
                     "recording.")
              .c_str());
}

py::list gradients_by(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                      const std::vector<std::optional<Tensor>>& seeds, bool retain_graph) {
  std::vector<Tensor> given;
  for (const auto& seed : seeds) given.push_back(optional_tensor(seed));
  py::list grads;
  for (const Tensor& grad : eager::gradients(ys, xs, given, retain_graph)) grads.append(or_none(grad));
  return grads;
}

py::list gradients_as_recorded(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                               const std::vector<std::optional<Tensor>>& seeds) {
  std::vector<Tensor> given;
  for (const auto& seed : seeds) given.push_back(optional_tensor(seed));
  py::list grads;
  for (const Tensor& grad : eager::recorded_gradients(ys, xs, given)) grads.append(grad);
  return grads;
}

bool has_tensors(py::handle x) {
  if (py::isinstance<py::dict>(x)) return has_tensors(py::list(x.attr("values")()));
  if (!py::isinstance<py::list>(x) && !py::isinstance<py::tuple>(x)) return py::isinstance<Tensor>(x);
  return std::any_of(x.begin(), x.end(), [](py::handle part) { return py::isinstance<Tensor>(part); });
}

// Tensors as they are, arrays beside them as tensors; nothing where one is of a graph that is being built.
std::vector<Tensor> inputs_of(const std::vector<Tensor>& wanted, const py::object& x) {
  std::vector<Tensor> inputs;
  const std::vector<py::object> parts = parts_of(x, wanted, "call", "x");
  for (const py::object& part : parts)
    if (py::isinstance<Tensor>(part) && !eager::is_eager(part.cast<Tensor>())) return {};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (py::isinstance<Tensor>(parts[i])) {
      inputs.push_back(parts[i].cast<Tensor>());
    } else {
      const Arguments array = arguments(parts[i], {wanted[i]}, "call", "x[" + std::to_string(i) + "]");
      inputs.push_back(eager::tensor(array.first.view, wanted[i].dtype()));
    }
  }
  return inputs;
}

// None for tensors of a graph that is being built.
py::object call_network(const eager::Caller& caller, const py::object& x, int training) {
  const bool trains = training < 0 ? eager::recording_gradients() : training > 0;
  const auto& wanted = caller.network().graph().inputs();
  const bool tensors = has_tensors(x);
  const std::vector<Tensor> inputs =
      tensors ? inputs_of(wanted, x) : caller.inputs(arguments(x, wanted, "call", "x").views);
  if (tensors && inputs.empty()) return py::none();
  const std::vector<Tensor> outputs = caller(inputs, trains);
  if (outputs.size() == 1) return py::cast(outputs[0]);
  return py::cast(outputs);
}

Tensor call_loss(const Loss& loss, const Tensor& prediction, const py::object& target, const py::object& weight) {
  const Argument weights = optional_argument(weight, loss.type(), "sample_weight");
  if (py::isinstance<Tensor>(target)) return eager::loss(loss, prediction, target.cast<Tensor>(), weights.view);
  return eager::loss(loss, prediction, argument(target, loss.type(), "target").view, weights.view);
}

void run_without_lock(const std::function<void()>& run) {
  const WithoutLock release;
  run();
}

}  // namespace

void bind_eager(py::module_& module) {
  auto tensor = py::reinterpret_borrow<py::class_<Tensor>>(module.attr("Tensor"));
  bind_values(tensor);
  eager::set_around_run(&run_without_lock);
  module.def("tensor", &tensor_of, py::arg("value"), py::arg("dtype"), py::arg("requires_grad"));
  module.def("eager_gradients", &gradients_by, py::arg("ys"), py::arg("xs"), py::arg("seeds"), py::arg("retain_graph"));
  module.def("recorded_gradients", &gradients_as_recorded, py::arg("ys"), py::arg("xs"), py::arg("seeds"));
  module.def("recording_gradients", &eager::recording_gradients);
  module.def(
      "manual_seed", [](const Integer& seed) { eager::manual_seed(seed.as<std::uint64_t>("manual_seed", "seed")); },
      py::arg("seed"),
      "What random numbers outside of models are drawn from, where a function has no seed of its own.\n\n"
      "Each run of a function and each tensor draws anew; the same seed, and the same calls after it, give the same\n"
      "numbers. Without it, a program draws the same numbers each time that it runs.\n\n"
      "Args:\n"
      "    seed: a whole number of 64 bits, not negative.\n\n"
      "Example:\n"
      "    >>> import backpass as bp\n"
      "    >>> bp.manual_seed(0)\n"
      "    >>> first = bp.tensor(bp.random_normal((3,)))\n"
      "    >>> bp.manual_seed(0)\n"
      "    >>> bool(bp.all(first == bp.tensor(bp.random_normal((3,)))))\n"
      "    True");
  module.def("set_recording_gradients", &eager::set_recording_gradients, py::arg("on"));
  module.def("settle", &eager::settle);
  module.def("joined", &eager::joined, py::arg("parts"));
  module.def("is_parameter", &eager::is_parameter, py::arg("t"));
  module.def(
      "identity", [](const Tensor& t) { return reinterpret_cast<std::uintptr_t>(eager::identity(t)); }, py::arg("t"));
  module.def(
      "network_of",
      [](const std::vector<Tensor>& leaves) -> py::object {
        const Network* network = eager::network_of(leaves);
        return network ? py::cast(*network) : py::object(py::none());
      },
      py::arg("leaves"));
  module.def("eager_cache", [] {
    const eager::CacheInfo info = eager::cache_info();
    return std::pair(info.plans, info.compiled);
  });
  module.def("eager_plan", &eager::last_plan);
  module.def("eager_loss", &call_loss, py::arg("loss"), py::arg("prediction"), py::arg("target"),
             py::arg("sample_weight"));
  py::class_<eager::Caller>(module, "Caller")
      .def(py::init<Network>(), py::arg("network"))
      .def("__call__", &call_network, py::arg("x"), py::arg("training"))
      .def_property_readonly("network", [](const eager::Caller& caller) { return caller.network(); })
      .def_property_readonly("parameters", &eager::Caller::parameters, py::return_value_policy::copy);
}

}  // namespace backpass::python
