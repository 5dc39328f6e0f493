// Calls of traced functions: what is looked up, and what is run.
#include "traced.h"

#include <backpass/eager.h>
#include <pybind11/stl.h>

#include <algorithm>

#include "bindings.h"
#include "donations.h"
#include "function_call.h"

namespace backpass::python {
namespace {

constexpr std::size_t kMostTraces = 256;  // of one function; beyond them all are made anew

constexpr int kMostNested = 1000;  // containers within containers

// What begins each part of a key.
enum Mark : char { tuple_mark, list_mark, dict_mark, none_mark, array_mark, number_mark, static_mark, other_mark };

bool is_number_of_numpy(py::handle value) {
  static PyObject* const generic =
      py::object(py::module_::import("numpy").attr("generic")).release().ptr();  // as long as the process
  return PyObject_TypeCheck(value.ptr(), reinterpret_cast<PyTypeObject*>(generic)) != 0;
}

bool holds(const std::vector<Dim>& positions, std::size_t i) {
  return std::ranges::find(positions, static_cast<Dim>(i)) != positions.end();
}

py::object of_tree(const char* name) { return py::module_::import("backpass.tree").attr(name); }

}  // namespace

// Arguments.

bool Call::read(const py::tuple& args, const py::dict& kwargs) {
  leaves.reserve(args.size() + kwargs.size());
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (holds(settings_.static_positions, i))
      add_static(args[i]);
    else
      add(args[i]);
    if (holds(settings_.donated_positions, i)) donated.resize(leaves.size(), true);
  }
  for (const auto& [name, value] : kwargs) {
    add_static(name);
    if (settings_.static_names.contains(name))
      add_static(value);
    else
      add(value);
  }
  return !symbolic_;
}

void Call::add(py::handle value) {
  PyObject* const o = value.ptr();
  if (PyObject_TypeCheck(o, py::detail::npy_api::get().PyArray_Type_)) return add_array(value);
  if (PyFloat_CheckExact(o) || PyLong_CheckExact(o)) return add_number(value);
  if (value.is_none()) return note(none_mark);
  if (++depth_ > kMostNested) throw py::value_error("[tree] contains itself, or is nested too deeply");
  if (PyTuple_CheckExact(o) || PyList_CheckExact(o))
    add_sequence(value);
  else if (PyDict_Check(o))
    add_dict(py::reinterpret_borrow<py::dict>(value));
  else
    add_other(value);
  --depth_;
}

// Parts are held: __array__ of one may take it out of its container.
void Call::add_sequence(py::handle value) {
  PyObject* const o = value.ptr();
  note(PyTuple_CheckExact(o) ? tuple_mark : list_mark);
  const Py_ssize_t size = PySequence_Fast_GET_SIZE(o);
  note(size);
  for (Py_ssize_t i = 0; i < size && i < PySequence_Fast_GET_SIZE(o); ++i)
    add(py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(o, i)));
}

void Call::add_dict(const py::dict& dict) {
  note(dict_mark);
  note(dict.size());
  for (const auto& [name, value] : dict) {
    Py_ssize_t size = 0;
    if (PyUnicode_CheckExact(name.ptr())) {
      const char* text = PyUnicode_AsUTF8AndSize(name.ptr(), &size);
      if (text == nullptr) throw py::error_already_set();
      note(size);
      key.append(text, static_cast<std::size_t>(size));
    } else {
      add_static(name);
    }
    add(py::reinterpret_borrow<py::object>(value));
  }
}

void Call::add_array(py::handle value) {
  leaves.push_back(argument(value, "function", "argument"));
  const ArrayView& view = leaves.back().view;
  wide = wide || view.type == ElementType::float64;
  narrow = narrow || view.type == ElementType::float32 || view.type == ElementType::float16;
  note(array_mark);
  note(view.type);
  note(view.shape.size());
  for (const Dim dim : view.shape) note(dim);
}

// A number weighs nothing: it takes the type of the others.
void Call::add_number(py::handle value) {
  note(number_mark);
  const double number = PyFloat_AsDouble(value.ptr());
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();
  numbers_.push_front(number);
  leaves.push_back({py::reinterpret_borrow<py::object>(value), ArrayView(&numbers_.front(), {})});
}

// A value that is part of the structure: by its type, because 1 == 1.0 == True.
void Call::add_static(py::handle value) {
  const py::tuple typed = py::make_tuple(py::type::of(value), value);
  const Py_hash_t hash = PyObject_Hash(typed.ptr());
  if (hash == -1) {
    PyErr_Clear();
    throw py::type_error("[function] a static argument must be hashable, got an object of type " +
                         py::str(py::type::of(value).attr("__name__")).cast<std::string>());
  }
  if (!known_.contains(typed)) known_[typed] = known_.size();
  note(static_mark);
  note(known_[typed].cast<std::size_t>());
}

void Call::add_other(py::handle value) {
  if (py::isinstance<Tensor>(value)) {
    symbolic_ = true;
    return;
  }
  if (is_number_of_numpy(value)) return add_array(value);
  if (PyBool_Check(value.ptr()) || PyUnicode_Check(value.ptr()) || PyBytes_Check(value.ptr())) return add_static(value);
  const py::object parts = call(of_tree("children"), value);
  if (parts.is_none()) return add_array(value);
  note(other_mark);
  add_static(parts[py::int_(1)]);
  add(parts[py::int_(0)]);
}

// Results.

py::object Tree::build(const std::vector<py::object>& leaves, std::size_t& next) const {
  switch (kind) {
    case Kind::leaf:
      return leaves[next++];
    case Kind::none:
      return py::none();
    case Kind::tuple: {
      py::tuple made(children.size());
      for (std::size_t i = 0; i < children.size(); ++i) made[i] = children[i].build(leaves, next);
      return made;
    }
    case Kind::dict: {
      py::dict made;
      for (std::size_t i = 0; i < children.size(); ++i) made[keys[i]] = children[i].build(leaves, next);
      return made;
    }
    case Kind::list:
    case Kind::other:
      break;
  }
  py::list made(children.size());
  for (std::size_t i = 0; i < children.size(); ++i) made[i] = children[i].build(leaves, next);
  return kind == Kind::list ? py::object(made) : backpass::python::call(rebuild, made);
}

namespace {

Tree::Kind kind_of(const std::string& name) {
  if (name == "leaf") return Tree::Kind::leaf;
  if (name == "none") return Tree::Kind::none;
  if (name == "tuple") return Tree::Kind::tuple;
  if (name == "list") return Tree::Kind::list;
  if (name == "dict") return Tree::Kind::dict;
  return Tree::Kind::other;
}

// Of a Structure of backpass.tree.
Tree to_tree(const py::handle& structure) {
  Tree tree{kind_of(structure.attr("kind").cast<std::string>())};
  for (const py::handle child : structure.attr("children")) tree.children.push_back(to_tree(child));
  if (tree.kind == Tree::Kind::dict)
    for (const py::handle key : structure.attr("aux")) tree.keys.push_back(py::reinterpret_borrow<py::object>(key));
  if (tree.kind == Tree::Kind::other) tree.rebuild = structure.attr("rebuild");
  return tree;
}

Trace::Result to_result(const py::handle& part, const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
  if (!py::isinstance<Tensor>(part)) return {-1, -1, py::reinterpret_borrow<py::object>(part)};
  const Tensor t = part.cast<Tensor>();
  if (const auto at = std::ranges::find(inputs, t); at != inputs.end())
    return {-1, static_cast<int>(at - inputs.begin()), {}};
  outputs.push_back(t);
  return {static_cast<int>(outputs.size()) - 1, -1, {}};
}

// `made`: the inputs, one for each leaf; the structure of the results, and their leaves.
Trace to_trace(const py::tuple& made, bool training) {
  const auto inputs = made[0].cast<std::vector<Tensor>>();
  std::vector<Tensor> outputs, used;
  Trace trace;
  trace.tree = to_tree(made[1]);
  for (const py::handle part : made[2]) trace.results.push_back(to_result(part, inputs, outputs));
  trace.around = Surroundings(outputs);
  std::vector<Tensor> given = inputs;
  given.insert(given.end(), trace.around.inputs().begin(), trace.around.inputs().end());
  const Graph all(given, outputs);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (std::ranges::find(all.ops(), inputs[i]) != all.ops().end()) {
      trace.inputs.push_back(i);
      used.push_back(inputs[i]);
    }
  used.insert(used.end(), trace.around.inputs().begin(), trace.around.inputs().end());
  trace.random = std::ranges::any_of(all.ops(), [](const Tensor& t) { return t.kind().starts_with("random_"); });
  trace.function = Function(Graph(used, outputs), training, "function");
  add_donations(trace);
  return trace;
}

// Nobody changes its parameters meanwhile.
std::vector<py::object> run_at_home(const Trace& trace, const std::vector<ArrayView>& views, const FunctionRun& run,
                                    std::vector<py::object> given) {
  if (trace.function.leaves().empty()) return run_function(trace.function, views, run, {}, std::move(given));
  const Places places(trace.function.leaves());
  const InUse used(places.users, Use::reads);
  return run_function(trace.function, views, run, places.values);
}

// The real type of a call: float64 where all of its arrays of floats are.
bool is_wide(const Call& call) { return call.wide && !call.narrow; }

}  // namespace

const Trace& Traced::find(const py::object& self, const Call& call, const py::tuple& args, const py::dict& kwargs) {
  const auto found = traces_.find(call.key);
  if (found != traces_.end()) return *found->second;
  py::list leaves;
  for (const Argument& leaf : call.leaves) leaves.append(leaf.owner);
  const py::tuple made = backpass::python::call(self.attr("_trace"), args, kwargs, leaves, is_wide(call));
  if (traces_.size() >= kMostTraces) traces_.clear();
  auto trace = std::make_shared<const Trace>(to_trace(made, training_));
  return *(traces_[call.key] = std::move(trace));
}

void Traced::clear() {
  traces_.clear();
  known_.clear();
}

const Trace& Traced::trace_of(const py::object& self, const py::tuple& args, const py::dict& kwargs) {
  Call call(known_, settings_);
  if (!call.read(args, kwargs)) throw py::type_error("[function] a plan is of arrays, not of tensors");
  return find(self, call, args, kwargs);
}

// Without a seed, functions that draw have one generator together.
FunctionRun Traced::next_run(const Trace& trace) {
  if (seed_) return {*seed_, step++};
  return trace.random ? eager::next_draw() : FunctionRun{};
}

py::object Traced::call(const py::object& self, const py::tuple& args, const py::dict& kwargs) {
  Call call(known_, settings_);
  if (!call.read(args, kwargs)) return self.attr("_symbolic")(*args, **kwargs);
  find(self, call, args, kwargs);
  const std::shared_ptr<const Trace> trace = traces_.at(call.key);  // held: the function may be called from within
  const std::vector<Array> around = trace->around.values();
  std::vector<ArrayView> views;
  views.reserve(trace->inputs.size() + around.size());
  for (const std::size_t i : trace->inputs) views.push_back(call.leaves[i].view);
  views.insert(views.end(), around.begin(), around.end());
  const std::vector<py::object> outputs = run_at_home(*trace, views, next_run(*trace), donated(*trace, call, views));
  std::vector<py::object> leaves;
  leaves.reserve(trace->results.size());
  for (const Trace::Result& result : trace->results) {
    if (result.output >= 0)
      leaves.push_back(outputs[static_cast<std::size_t>(result.output)]);
    else
      leaves.push_back(result.argument >= 0
                           ? backpass::python::call(py::module_::import("numpy").attr("array"),
                                                    call.leaves[static_cast<std::size_t>(result.argument)].owner)
                           : result.value);
  }
  std::size_t next = 0;
  return trace->tree.build(leaves, next);
}

void bind_traced(py::module_& module) {
  py::class_<Traced>(module, "Traced", "A function of arrays that is traced once for each structure of arguments.")
      .def(py::init([](std::vector<Dim> static_positions, py::set static_names, std::vector<Dim> donated_positions,
                       bool training, std::optional<std::uint64_t> seed) {
             return Traced({std::move(static_positions), std::move(static_names), std::move(donated_positions)},
                           training, seed);
           }),
           py::arg("static_positions"), py::arg("static_names"), py::arg("donated_positions"), py::arg("training"),
           py::arg("seed"))
      .def("__call__", [](const py::object& self, const py::args& args,
                          const py::kwargs& kwargs) { return self.cast<Traced&>().call(self, args, kwargs); })
      .def("_function_plan",
           [](const py::object& self, const py::tuple& args, const py::dict& kwargs) {
             return self.cast<Traced&>().trace_of(self, args, kwargs).function.plan();
           })
      .def("_function_graph",
           [](const py::object& self, const py::tuple& args, const py::dict& kwargs) {
             return CallableGraph(self.cast<Traced&>().trace_of(self, args, kwargs).function.graph());
           })
      .def("clear", &Traced::clear, "Forgets all traces.")
      .def("__len__", &Traced::size)
      .def_readwrite("step", &Traced::step,
                     "Of random numbers, where there is a seed: counts the calls, so that each draws anew.");
}

}  // namespace backpass::python
