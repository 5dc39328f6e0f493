// Networks and the plans that they run.
#include <pybind11/stl.h>

#include <algorithm>

#include "arrays.h"
#include "bindings.h"
#include "function_call.h"

namespace backpass::python {
namespace {

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
      .def_readonly("in_lanes", &CallInfo::in_lanes)
      .def_readonly("flops", &CallInfo::flops)
      .def_readonly("bytes", &CallInfo::bytes)
      .def_readonly("milliseconds", &CallInfo::milliseconds)
      .def("__repr__",
           [](const CallInfo& call) { return "<Call " + call.phase + " " + call.name + " " + call.detail + ">"; });
  py::class_<PlanInfo>(
      m, "Plan",
      documented("Plan", "What a compiled graph runs, call by call. Printing it shows exactly that.").c_str())
      .def_property_readonly("calls", [](const PlanInfo& self) { return self.calls; })
      .def_readonly("batch_size", &PlanInfo::batch_size)
      .def_readonly("arena_bytes", &PlanInfo::arena_bytes)
      .def_readonly("isa", &PlanInfo::isa)
      .def_readonly("stages", &PlanInfo::stages)
      .def("__str__", &PlanInfo::to_string)
      .def("__repr__", &PlanInfo::to_string);
}

// As a part of another graph.
std::vector<Tensor> call_on_tensors(const Network& network, const py::object& x) {
  std::vector<Tensor> inputs;
  for (const py::object& part : parts_of(x, network.graph().inputs(), "call", "x")) {
    if (!py::isinstance<Tensor>(part))
      throw py::type_error("[call] x must be tensors, or arrays alone, got " +
                           py::str(py::type::of(part).attr("__name__")).cast<std::string>() +
                           " beside a tensor of a graph");
    inputs.push_back(part.cast<Tensor>());
  }
  return network(inputs);
}

// Views by name into memory that `network` keeps; of each parameter, `data` says where.
py::dict named_views(Network& network, const std::vector<ParameterInfo>& infos,
                     void* (Network::*data)(const ParameterInfo&)) {
  eager::settle();  // who has views may write
  const py::object owner = py::cast(network);
  py::dict views;
  for (const ParameterInfo& info : infos)
    views[py::str(info.name)] = writable_view((network.*data)(info), network.dtype(), info.shape, owner);
  return views;
}

// A view; of several homes, a copy that cannot be written.
py::array flat(Network& network, void* (Network::*whole)(), void* (Network::*part)(const ParameterInfo&)) {
  eager::settle();
  if (network.is_in_one_block())
    return writable_view((network.*whole)(), network.dtype(), {network.n_parameters()}, py::cast(network));
  Array copy(network.dtype(), {network.n_parameters()});
  std::byte* to = static_cast<std::byte*>(copy.data());
  for (const ParameterInfo& info : network.parameters())
    to = std::copy_n(static_cast<const std::byte*>((network.*part)(info)),
                     static_cast<std::size_t>(info.size) * size_of(network.dtype()), to);
  py::array read_only = to_numpy(copy);
  read_only.attr("setflags")(false);
  return read_only;
}

py::list layers_of(const Network& network) {
  py::list layers;
  for (const LayerInfo& info : network.layers()) {
    py::dict layer;
    layer["name"] = info.name;
    layer["type"] = info.type;
    layer["settings"] = to_dict(info.attributes);
    layer["inputs"] = info.inputs;
    layer["output_shape"] = to_tuple(info.output_shape);
    layer["n_parameters"] = info.n_parameters;
    layer["flops"] = info.flops;
    layer["bytes"] = info.bytes;
    layers.append(layer);
  }
  return layers;
}

// One dict per layer: "name", "type", the tensors "z" and "a", and "parameters" by name.
py::list trace_of(const Network& network) {
  py::list layers;
  for (const LayerTrace& trace : network.trace()) {
    py::dict layer, parameters;
    for (const auto& [name, tensor] : trace.parameters) parameters[py::str(name)] = tensor;
    layer["name"] = trace.name;
    layer["type"] = trace.type;
    layer["z"] = trace.z;
    layer["a"] = trace.a;
    layer["parameters"] = parameters;
    layers.append(layer);
  }
  return layers;
}

py::object predict(Network& network, const py::object& x, Dim batch_size, int threads) {
  const Arguments rows = arguments(x, network.graph().inputs(), "predict", "x");
  require_castable(rows, network.dtype(), "predict", "x");
  std::vector<Array> results;
  {
    const WithoutLock release;
    results = network.predict_all(rows.views, batch_size, threads);
  }
  return to_numpy(results);
}

py::object forward(Network& network, const py::object& x, bool training, std::int64_t random_step) {
  const Arguments rows = arguments(x, network.graph().inputs(), "forward", "x");
  require_castable(rows, network.dtype(), "forward", "x");
  std::vector<Array> results;
  {
    const WithoutLock release;
    results = network.forward_all(rows.views, training, random_step);
  }
  return to_numpy(results);
}

py::object backward(Network& network, const py::object& grad_output) {
  const Arguments grads = arguments(grad_output, network.graph().outputs(), "backward", "grad_output");
  require_castable(grads, network.dtype(), "backward", "grad_output");
  std::vector<Array> results;
  {
    const WithoutLock release;
    results = network.backward_all(grads.views);
  }
  return to_numpy(results);
}

py::list evaluate_tensors(Network& network, const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs,
                          const py::list& values, std::int64_t random_step) {
  std::vector<Argument> held;
  std::vector<ArrayView> views;
  for (const py::handle value : values) {
    held.push_back(argument(value, "evaluate", "x"));
    views.push_back(held.back().view);
  }
  std::vector<Array> results;
  {
    const WithoutLock release;
    results = network.evaluate(inputs, outputs, views, random_step);
  }
  py::list list;
  for (const Array& array : results) list.append(to_numpy(array));
  return list;
}

void load_arrays(Network& network, const py::dict& arrays) {
  eager::change(network);
  std::vector<Argument> held;  // the memory that is read
  std::map<std::string, ArrayView> views;
  for (const auto& [key, value] : arrays) {
    const auto name = key.cast<std::string>();
    held.push_back(argument(value, "load_weights", '"' + name + '"'));
    views.emplace(name, held.back().view);
  }
  const WithoutLock release;
  network.load_weights(views);
}

py::dict read_weights(const std::string& path) {
  py::dict arrays;
  for (const auto& [name, array] : Network::read_weights(path)) arrays[py::str(name)] = to_numpy(array);
  return arrays;
}

py::dict network_state(const Network& network) {
  std::vector<std::pair<std::string, Array>> copies;
  {
    const WithoutLock release;
    copies = network.state_dict();
  }
  py::dict result;
  for (const auto& [name, array] : copies) result[py::str(name)] = to_numpy(array);
  return result;
}

py::bytes serialize(const Network& network) {
  std::string bytes;
  {
    const WithoutLock release;
    bytes = network.serialize();
  }
  return bytes;
}

Network deserialize(const py::bytes& bytes) {
  const std::string_view view = bytes;
  const WithoutLock release;
  return Network::deserialize(std::as_bytes(std::span(view.data(), view.size())));
}

void bind_network_facts(py::class_<Network>& network) {
  network.def_property_readonly("graph", [](const Network& of) { return CallableGraph(of.graph()); })
      .def_property_readonly("dtype", [](const Network& self) { return std::string(name(self.dtype())); })
      .def_property_readonly("seed", &Network::seed)
      .def_property_readonly("n_parameters", &Network::n_parameters)
      .def_property_readonly("layers", &layers_of)
      .def_property_readonly("trace", &trace_of)
      .def_property_readonly("precision", [](const Network& self) { return std::string(name(self.precision())); })
      .def_property_readonly("adds_losses", &Network::adds_losses)
      .def_property_readonly("is_sequential", &Network::is_sequential)
      .def("parameters", [](Network& self) { return named_views(self, self.parameters(), &Network::values_of); })
      .def("states", [](Network& self) { return named_views(self, self.states(), &Network::values_of); })
      .def("gradients", [](Network& self) { return named_views(self, self.parameters(), &Network::gradients_of); })
      .def_property_readonly("flat_parameters",
                             [](Network& self) { return flat(self, &Network::flat_parameters, &Network::values_of); })
      .def_property_readonly("flat_gradients",
                             [](Network& self) { return flat(self, &Network::flat_gradients, &Network::gradients_of); })
      .def("plan", &Network::plan, py::arg("batch_size"), py::arg("training"), py::call_guard<WithoutLock>())
      .def("profile", &Network::profile, py::arg("batch_size"), py::arg("training"), py::arg("repeats"),
           py::call_guard<WithoutLock>())
      .def("memory_estimate", &Network::memory_estimate, py::arg("batch_size"), py::call_guard<WithoutLock>());
}

// The shape of one row: what a network without an input shape is built for.
py::tuple row_shape(const py::object& x, const std::string& where) {
  const bool named = py::isinstance<py::dict>(x) && py::len(x) == 1;  // whether by the right name, the model tells
  const py::object given = named ? py::object(py::list(x.attr("values")())[0]) : x;
  const Argument rows = argument(given, where, "x");
  if (rows.view.shape.empty()) throw std::invalid_argument("[" + where + "] x must hold rows, got a single number");
  return to_tuple(Shape(rows.view.shape.begin() + 1, rows.view.shape.end()));
}

void bind_network(py::module_& m) {
  py::class_<Network> network(m, "Network");
  network
      .def(py::init([](std::vector<Tensor> inputs, std::vector<Tensor> outputs, std::optional<std::uint64_t> seed,
                       const std::optional<std::string>& precision, const std::optional<std::string>& dtype) {
             NetworkOptions options{seed, {}, {}};
             if (precision) options.precision = parse_precision(*precision);
             if (dtype) options.dtype = parse_dtype(*dtype);
             const WithoutLock release;
             return Network(std::move(inputs), std::move(outputs), options);
           }),
           py::arg("inputs"), py::arg("outputs"), py::arg("seed"), py::arg("precision"), py::arg("dtype"))
      .def("predict", &predict, py::arg("x"), py::arg("batch_size"), py::arg("threads"))
      .def("forward", &forward, py::arg("x"), py::arg("training"), py::arg("random_step"))
      .def("backward", &backward, py::arg("grad_output"))
      .def("evaluate", &evaluate_tensors, py::arg("inputs"), py::arg("outputs"), py::arg("values"),
           py::arg("random_step"))
      .def("zero_grad", &Network::zero_grad)
      .def("freeze", py::overload_cast<const std::vector<std::string>&>(&Network::freeze), py::arg("patterns"))
      .def("unfreeze", py::overload_cast<const std::vector<std::string>&>(&Network::unfreeze), py::arg("patterns"))
      .def("freeze_shared", py::overload_cast<const Network&>(&Network::freeze), py::arg("part"))
      .def("unfreeze_shared", py::overload_cast<const Network&>(&Network::unfreeze), py::arg("part"))
      .def("__call__", &call_on_tensors, py::arg("x"))
      .def("sub", &Network::sub, py::arg("inputs"), py::arg("outputs"))
      .def("lend", &Network::lend, py::arg("layers"))
      .def("give_up", &Network::give_up)
      .def_property_readonly("goes_on", &Network::goes_on)
      .def_property_readonly("is_trained", &Network::is_trained)
      .def_property_readonly("is_shared", &Network::is_shared)
      .def_property_readonly("is_in_one_block", &Network::is_in_one_block)
      .def_property_readonly("frozen", &Network::frozen)
      .def(
          "reset",
          [](Network& self, std::optional<std::uint64_t> seed) {
            eager::change(self);
            self.reset(seed);
          },
          py::arg("seed"))
      .def_property(
          "random_counters",
          [](const Network& self) {
            const RandomCounters counters = self.random_counters();
            return std::pair(counters.step, counters.epoch);
          },
          [](Network& self, std::pair<std::uint64_t, std::uint64_t> counters) {
            self.set_random_counters({counters.first, counters.second});
          })
      .def("save", &Network::save, py::arg("path"), py::call_guard<WithoutLock>())
      .def("save_weights", &Network::save_weights, py::arg("path"), py::call_guard<WithoutLock>())
      .def_static("load", &Network::load, py::arg("path"), py::call_guard<WithoutLock>())
      .def("serialize", &serialize)
      .def_static("deserialize", &deserialize, py::arg("data"))
      .def("load_weights", py::overload_cast<const std::string&>(&Network::load_weights), py::arg("path"),
           py::call_guard<WithoutLock>())
      .def("state_dict", &network_state)
      .def("load_arrays", &load_arrays, py::arg("arrays"))
      .def_static("read_weights", &read_weights, py::arg("path"))
      .def(
          "clone",
          [](const Network& self, const std::optional<std::string>& dtype) {
            const WithoutLock release;
            return dtype ? self.clone(parse_dtype(*dtype)) : self.clone();
          },
          py::arg("dtype") = py::none());
  bind_network_facts(network);
  m.def("row_shape", &row_shape, py::arg("x"), py::arg("where"));
  m.def(
      "numbers",
      [](const py::object& value, const std::string& where, const std::string& name) {
        return argument(value, where, name).owner;
      },
      py::arg("value"), py::arg("where"), py::arg("name"));
  m.def(
      "sequential",
      [](const py::object& shape, const std::vector<Layer>& layers, std::optional<std::uint64_t> seed,
         const std::string& dtype, const std::string& precision) {
        const Shape row = to_shape(shape, "Sequential");
        const WithoutLock release;
        return sequential(row, layers, {seed, parse_dtype(dtype), parse_precision(precision)});
      },
      py::arg("input_shape"), py::arg("layers"), py::arg("seed"), py::arg("dtype"), py::arg("precision"));
}

}  // namespace

void bind_networks(py::module_& module) {
  bind_plan(module);
  bind_network(module);
}

}  // namespace backpass::python
