// The objective: loss, gradients, Hessian-vector products and evaluation, without an optimizer.
#include <pybind11/stl.h>

#include "bindings.h"
#include "fit.h"

namespace backpass::python {
namespace {

void check(ObjectiveSession& session, const py::object& x, const py::object& y, const std::string& where) {
  const Data data(session.taker, x, y, py::none(), where);
  data.require_castable_to(session.network.dtype(), where);
  const WithoutLock release;
  session.objective.check(data.rows);
}

double gradients(ObjectiveSession& session, const py::object& x, const py::object& y, const py::object& sample_weight,
                 std::int64_t random_step) {
  const Data data(session.taker, x, y, sample_weight, "value_and_grad");
  data.require_castable_to(session.network.dtype(), "value_and_grad");
  const WithoutLock release;
  return session.objective.gradients(data.rows, random_step);
}

py::array hvp(ObjectiveSession& session, const py::object& x, const py::object& y, const py::object& vector,
              std::int64_t random_step, const py::object& sample_weight) {
  const Data data(session.taker, x, y, sample_weight, "hvp");
  data.require_castable_to(session.network.dtype(), "hvp");
  const Argument direction = argument(vector, "hvp", "vector");
  Array product;
  {
    const WithoutLock release;
    product = session.objective.hvp(data.rows, direction.view, random_step);
  }
  return to_numpy(product);
}

}  // namespace

void bind_objective(py::module_& module) {
  module.def("metric_rises", &metric_rises, py::arg("column"));
  module.def("metric_names", [] {
    std::vector<std::string> names;
    for (const MetricInfo& info : named_metrics()) names.emplace_back(info.name);
    return names;
  });
  py::class_<ObjectiveSession>(module, "Objective")
      .def(py::init(
               [](const Network& network, const std::vector<Loss>& losses, const std::vector<double>& loss_weights) {
                 return ObjectiveSession{Objective(network, Losses(losses, loss_weights)),
                                         network,
                                         losses.at(0),
                                         {network, target_form(network, losses.at(0), losses.size())}};
               }),
           py::arg("network"), py::arg("losses"), py::arg("loss_weights") = std::vector<double>())
      .def("check", &check, py::arg("x"), py::arg("y"), py::arg("where"))
      .def("gradients", &gradients, py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("random_step"))
      .def("hvp", &hvp, py::arg("x"), py::arg("y"), py::arg("vector"), py::arg("random_step"),
           py::arg("sample_weight") = py::none())
      .def("evaluate", &evaluate, py::arg("data"), py::arg("metrics"), py::arg("check_finite"));
}

}  // namespace backpass::python
