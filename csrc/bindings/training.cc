// The trainer.
#include <pybind11/stl.h>

#include "bindings.h"
#include "fit.h"

namespace backpass::python {
namespace {

double step(Session& session, const py::object& x, const py::object& y, const py::object& sample_weight) {
  const Data data(session.taker, x, y, sample_weight, "step");
  data.require_castable_to(session.network.dtype(), "step");
  eager::change(session.network);
  const WithoutLock release;
  return session.trainer.step(data.rows);
}

// From a pattern, and a function of a parameter.
Penalty to_penalty(const py::handle& given) {
  const auto [pattern, term, per_row] = given.cast<std::tuple<std::string, py::object, bool>>();
  const auto call = [held = hold(term)](const Tensor& parameter) {
    const WithLock acquire;
    return (*held)(parameter).cast<Tensor>();
  };
  return {pattern, call, per_row};
}

std::optional<ElementType> narrow_type(const std::string& name) {
  if (name.empty()) return {};
  return name == "int8" ? ElementType::int8 : ElementType::bfloat16;
}

}  // namespace

void bind_training(py::module_& module) {
  py::class_<Session>(module, "Trainer")
      .def(py::init([](const Network& network, const std::vector<Loss>& losses, const Optimizer& optimizer, int threads,
                       const std::vector<double>& loss_weights, bool recompute, const std::string& activation_dtype,
                       const py::object& update, const py::list& weight_penalty) {
             TrainerOptions options{threads, recompute};
             options.activation_dtype = narrow_type(activation_dtype);
             for (const py::handle each : weight_penalty) options.weight_penalty.push_back(to_penalty(each));
             if (!update.is_none())
               options.update = [held = hold(update)](Network&, Optimizer&) {
                 const WithLock acquire;
                 return (*held)().cast<bool>();
               };
             return Session{Trainer(network, Losses(losses, loss_weights), optimizer, options),
                            network,
                            losses.at(0),
                            {network, target_form(network, losses.at(0), losses.size())}};
           }),
           py::arg("network"), py::arg("losses"), py::arg("optimizer"), py::arg("threads"),
           py::arg("loss_weights") = std::vector<double>(), py::arg("recompute") = false,
           py::arg("activation_dtype") = "", py::arg("update") = py::none(), py::arg("weight_penalty") = py::list())
      .def("step", &step, py::arg("x"), py::arg("y"), py::arg("sample_weight"))
      .def("fit", &fit, py::arg("data"), py::arg("validation"), py::arg("settings"))
      .def("stop", [](Session& self) { self.trainer.stop(); })
      .def(
          "plan", [](Session& self, Dim batch_size) { return self.trainer.plan(batch_size); }, py::arg("batch_size"),
          py::call_guard<WithoutLock>())
      .def(
          "profile",
          [](Session& self, Dim batch_size, int repeats) { return self.trainer.profile(batch_size, repeats); },
          py::arg("batch_size"), py::arg("repeats"), py::call_guard<WithoutLock>())
      .def(
          "memory_estimate", [](Session& self, Dim batch_size) { return self.trainer.memory_estimate(batch_size); },
          py::arg("batch_size"), py::call_guard<WithoutLock>());
}

}  // namespace backpass::python
