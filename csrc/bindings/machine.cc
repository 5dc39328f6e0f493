// Instruction sets and threads.
#include <backpass/machine.h>
#include <pybind11/stl.h>

#include "bindings.h"

namespace backpass::python {

namespace py = pybind11;

namespace {

// Both live as long as the process.
PyObject* shortage_warning = nullptr;
ThreadShortage shortage;

constexpr const char* kShortageDoc =
    "A call had fewer threads than it asked for: the number is beyond what helps on this machine, or the system gives "
    "no more of them. Results are the same. Said once.\n\n"
    "Example:\n"
    "    >>> import backpass as bp, warnings\n"
    "    >>> warnings.filterwarnings(\"ignore\", category=bp.ThreadShortageWarning)\n";

int warn_of_shortage(void*) {
  return PyErr_WarnFormat(shortage_warning, 1, "%d threads are used where %d were asked for: %s; results are the same",
                          shortage.had, shortage.asked,
                          "more do not help on this machine, or the system gives no more (ulimit -u, -v)");
}

// The thread that tells holds no lock of the interpreter: the interpreter warns when it comes to it.
void bind_shortage(py::module_& module) {
  shortage_warning =
      PyErr_NewExceptionWithDoc("backpass.ThreadShortageWarning", kShortageDoc, PyExc_RuntimeWarning, nullptr);
  if (shortage_warning == nullptr) throw py::error_already_set();
  module.add_object("ThreadShortageWarning", shortage_warning);
  on_thread_shortage([](ThreadShortage told) {
    shortage = told;
    Py_AddPendingCall(warn_of_shortage, nullptr);
  });
}

}  // namespace

void bind_machine(py::module_& module) {
  bind_shortage(module);
  module.def("version", &version);
  module.def("isa", &isa);
  module.def("available_isas", &available_isas);
  module.def("set_isa", &set_isa, py::arg("name"));
  module.def("reduced_precision_gap", &reduced_precision_gap);
  module.def("get_threads", &get_threads);
  module.def("set_threads", &set_threads, py::arg("threads"));
  module.def("set_sharing_cut", &set_sharing_cut, py::arg("on"));
  module.def("cpu_info", [] {
    const CpuInfo info = cpu_info();
    py::dict result;
    result["brand"] = info.brand;
    result["features"] = info.features;
    result["logical_cpus"] = info.logical_cpus;
    result["cpu_quota"] = info.cpu_quota;
    return result;
  });
}

}  // namespace backpass::python
