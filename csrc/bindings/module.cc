// The extension module backpass._core: everything that Python sees of the core, and the errors that cross over.
#include <backpass/backpass.h>

#include "bindings.h"
#include "lock.h"

namespace py = pybind11;

namespace {

constexpr const char* kDivergedDoc =
    "`fit` met a loss, a gradient or an update that is not finite; the model keeps the weights from before that step, "
    "and the optimizer its state.\n\n"
    "Attributes:\n"
    "    epoch: where it happened, from 0.\n"
    "    batch: where in the epoch, from 0.\n"
    "    layer: the first layer whose output is not finite, such as \"Dense 2\"; or \"the loss\", \"the gradient\", "
    "\"the update\".";

// Lives as long as the process, as the module does.
PyObject* diverged_error = nullptr;

void translate_diverged(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const backpass::DivergedError& error) {
    const py::object raised = py::handle(diverged_error)(error.what());
    raised.attr("epoch") = error.epoch;
    raised.attr("batch") = error.batch;
    raised.attr("layer") = error.layer;
    PyErr_SetObject(diverged_error, raised.ptr());
  }
}

constexpr const char* kNotFiniteDoc =
    "An optimizer's `step` found that the gradient is not finite, or that a parameter or its state would not be: "
    "nothing was changed. A `step` of your own may raise it, too: where a `fit` makes the steps, that is a "
    "`DivergedError`.";

PyObject* not_finite_error = nullptr;

void translate_not_finite(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const backpass::NotFiniteError& error) {
    PyErr_SetString(not_finite_error, error.what());
  }
}

// As Python's own functions raise it: FileNotFoundError, PermissionError, ...
void translate_file_error(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const backpass::FileError& error) {
    if (error.code() == std::errc::not_enough_memory) return void(PyErr_NoMemory());
    const std::string& path = error.path();
    const auto name = py::reinterpret_steal<py::object>(
        PyUnicode_DecodeFSDefaultAndSize(path.data(), static_cast<py::ssize_t>(path.size())));
    if (name) PyErr_SetObject(PyExc_OSError, py::make_tuple(error.code().value(), error.reason(), name).ptr());
  }
}

// What would be longer than memory is too large for it.
void translate_length_error(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const std::length_error&) {
    PyErr_SetString(PyExc_MemoryError, "[backpass] more elements than memory can hold");
  }
}

PyObject* add_error(py::module_& module, const std::string& name, const char* doc, PyObject* base) {
  const std::string full = "backpass." + name;
  PyObject* error =
      PyErr_NewExceptionWithDoc(full.c_str(), backpass::python::documented(name, doc).c_str(), base, nullptr);
  if (error == nullptr) throw py::error_already_set();
  module.add_object(name.c_str(), error);
  return error;
}

void bind_errors(py::module_& module) {
  diverged_error = add_error(module, "DivergedError", kDivergedDoc, PyExc_RuntimeError);
  not_finite_error = add_error(module, "NotFiniteError", kNotFiniteDoc, PyExc_ValueError);
  py::register_exception_translator(translate_diverged);
  py::register_exception_translator(translate_not_finite);
  py::register_exception_translator(translate_file_error);
  py::register_exception_translator(translate_length_error);
}

// pybind11 looks at nothing that it allocates by tp_alloc; this one is called by C++ alone.
PyObject* allocate(PyTypeObject* type, Py_ssize_t items) {
  PyObject* made = PyType_GenericAlloc(type, items);
  if (made != nullptr) return made;
  PyErr_Clear();
  throw std::bad_alloc();
}

// As pybind11 does. That it is another function is what counts: Python refuses `Tensor.__new__(Tensor)`, which would
// give an object with nothing behind it, where a class makes its instances otherwise than the base whose `__new__` it
// is.
PyObject* make_instance(PyTypeObject* type, PyObject* arguments, PyObject* keywords) try {
  return py::detail::pybind11_object_new(type, arguments, keywords);
} catch (const std::bad_alloc&) {
  return PyErr_NoMemory();
}

void make_instances_safely(const py::module_& module) {
  for (const auto& entry : module.attr("__dict__").cast<py::dict>()) {
    auto* type = reinterpret_cast<PyTypeObject*>(entry.second.ptr());
    if (!PyType_Check(entry.second.ptr()) || type->tp_new != py::detail::pybind11_object_new) continue;
    type->tp_new = make_instance;
    type->tp_alloc = allocate;
  }
}

// Where Python had no memory for an object, pybind11 throws std::runtime_error and leaves Python's error as it is.
void translate_exhaustion(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const std::runtime_error&) {
    if (!PyErr_ExceptionMatches(PyExc_MemoryError)) throw;
  }
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "The native core of backpass. Private: the names in backpass itself are the ones to use.";
  backpass::python::WithoutLock::note_main_thread();
  bind_errors(module);
  backpass::python::bind_machine(module);
  backpass::python::bind_tensors(module);
  backpass::python::bind_functions(module);
  backpass::python::bind_linalg(module);
  backpass::python::bind_traced(module);
  backpass::python::bind_transforms(module);
  backpass::python::bind_layers(module);
  backpass::python::bind_losses(module);
  backpass::python::bind_networks(module);
  backpass::python::bind_mistakes(module);
  backpass::python::bind_optimizers(module);
  backpass::python::bind_descriptions(module);
  backpass::python::bind_objective(module);
  backpass::python::bind_training(module);
  backpass::python::bind_watchers(module);
  backpass::python::bind_eager(module);
  backpass::python::bind_bench(module);
  backpass::python::tell_of_arguments(module);
  make_instances_safely(module);
  py::register_exception_translator(translate_exhaustion);
}
