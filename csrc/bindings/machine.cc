// Instruction sets and threads.
#include <backpass/machine.h>
#include <pybind11/stl.h>

#include "bindings.h"

namespace backpass::python {

namespace py = pybind11;

void bind_machine(py::module_& module) {
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
