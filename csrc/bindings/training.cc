// The trainer with its hooks into Python.
#include <pybind11/stl.h>

#include "arrays.h"
#include "bindings.h"

namespace backpass::python {
namespace {

using Metrics = std::vector<std::pair<std::string, Metric>>;
double call_metric(const py::object& function, const std::string& name, const ArrayView& y_true,
                   const ArrayView& y_pred) {
  const py::gil_scoped_acquire acquire;
  const py::object value = function(to_numpy(y_true), to_numpy(y_pred));
  const double number = PyFloat_AsDouble(value.ptr());
  if (number != -1.0 || !PyErr_Occurred()) return number;
  PyErr_Clear();
  throw py::type_error("[metrics] " + name + " must return a number, got " +
                       py::str(py::type::of(value).attr("__name__")).cast<std::string>());
}

// From pairs of a name and a callable; None for a metric of our own.
Metrics to_metrics(const py::list& pairs, const Loss& loss) {
  Metrics metrics;
  for (const py::handle pair : pairs) {
    const auto [name, function] = pair.cast<std::pair<std::string, py::object>>();
    if (function.is_none()) {
      metrics.emplace_back(name, metric(name, loss));
      continue;
    }
    metrics.emplace_back(name, [name = name, held = hold(function)](const ArrayView& y_true, const ArrayView& y_pred) {
      return call_metric(*held, name, y_true, y_pred);
    });
  }
  return metrics;
}

py::dict to_dict(const Logs& logs) {
  py::dict result;
  for (const auto& [name, value] : logs) result[py::str(name)] = value;
  return result;
}

// The hooks that Python asked for; each takes the interpreter's lock for as long as it runs.
FitHooks to_hooks(const py::dict& functions) {
  FitHooks hooks;
  const auto find = [&](const char* name) { return functions.contains(name) ? hold(functions[name]) : Callable(); };
  const auto forward_to = [](auto& hook, const Callable& function) {
    if (function) {
      hook = [function](auto... values) {
        const py::gil_scoped_acquire acquire;
        (*function)(values...);
      };
    }
  };
  forward_to(hooks.epoch_begin, find("epoch_begin"));
  forward_to(hooks.batch_begin, find("batch_begin"));
  forward_to(hooks.batch_end, find("batch_end"));
  forward_to(hooks.progress, find("progress"));
  if (const Callable function = find("epoch_end")) {
    hooks.epoch_end = [function](int epoch, const Logs& logs) {
      const py::gil_scoped_acquire acquire;
      (*function)(epoch, to_dict(logs));
    };
  }
  hooks.interrupt = [] {
    const py::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  };
  return hooks;
}

// A trainer, its network, and the first of its losses: what metrics go by.
struct Session {
  Trainer trainer;
  Network network;
  Loss loss;
};

// x, y and sample_weight of a call; `prefix` tells validation data from training data.
struct Data {
  Arguments x, y;
  Argument sample_weight;
  Data(const Network& network, const py::handle& x_, const py::handle& y_, const py::handle& weight,
       const std::string& where, const std::string& prefix = "")
      : x(arguments(x_, network.graph().inputs(), where, prefix + "x")),
        y(arguments(y_, network.graph().outputs(), where, prefix + "y")),
        sample_weight(optional_argument(weight, where, prefix + "sample_weight")) {}
  TrainingData views() const { return {x.views, y.views, sample_weight.view}; }
  // fit checks this itself, where it looks for what is not finite.
  void require_castable_to(DType dtype, const std::string& where) const {
    require_castable(x, dtype, where, "x");
    require_castable(y, dtype, where, "y");
  }
};

double step(Session& session, const py::object& x, const py::object& y, const py::object& sample_weight) {
  const Data data(session.network, x, y, sample_weight, "step");
  data.require_castable_to(session.network.dtype(), "step");
  const py::gil_scoped_release release;
  return session.trainer.step(data.x.views, data.y.views, data.sample_weight.view);
}

double gradients(Session& session, const py::object& x, const py::object& y, const py::object& sample_weight,
                 std::int64_t random_step) {
  const Data data(session.network, x, y, sample_weight, "value_and_grad");
  data.require_castable_to(session.network.dtype(), "value_and_grad");
  const py::gil_scoped_release release;
  return session.trainer.gradients(data.x.views, data.y.views, data.sample_weight.view, random_step);
}

FitOptions to_options(const py::dict& settings, const Loss& loss) {
  FitOptions options;
  options.epochs = settings["epochs"].cast<int>();
  options.batch_size = settings["batch_size"].cast<Dim>();
  options.shuffle = settings["shuffle"].cast<bool>();
  options.seed = settings["seed"].cast<std::optional<std::uint64_t>>();
  options.threads = settings["threads"].cast<int>();
  options.check_finite = settings["check_finite"].cast<bool>();
  options.metrics = to_metrics(settings["metrics"].cast<py::list>(), loss);
  options.averages = settings["averages"].cast<std::vector<Average>>();
  options.hooks = to_hooks(settings["hooks"].cast<py::dict>());
  return options;
}

py::dict fit(Session& session, const py::object& x, const py::object& y, const py::object& sample_weight,
             const py::object& validation, const py::dict& settings) {
  const Data data(session.network, x, y, sample_weight, "fit");
  FitOptions options = to_options(settings, session.loss);
  std::optional<Data> held_out;
  if (!validation.is_none()) {
    const py::sequence parts = validation;
    held_out.emplace(session.network, parts[0], parts[1], parts[2], "fit", "validation ");
    options.validation_data = held_out->views();
  }
  History history;
  {
    const py::gil_scoped_release release;
    history = session.trainer.fit(data.views(), options);
  }
  py::dict columns;
  for (const auto& [name, values] : history.columns) columns[py::str(name)] = values;
  return columns;
}

py::dict evaluate(Session& session, const py::object& x, const py::object& y, const py::object& sample_weight,
                  const py::list& metrics, bool check_finite) {
  const Data data(session.network, x, y, sample_weight, "evaluate");
  data.require_castable_to(session.network.dtype(), "evaluate");
  if (check_finite) {
    for (std::size_t i = 0; i < data.x.views.size(); ++i) require_finite(data.x.views[i], "evaluate", "x");
    for (std::size_t i = 0; i < data.y.views.size(); ++i) require_finite(data.y.views[i], "evaluate", "y");
    require_finite(data.sample_weight.view, "evaluate", "sample_weight");
  }
  const Metrics asked = to_metrics(metrics, session.loss);
  Logs logs;
  {
    const py::gil_scoped_release release;
    logs = session.trainer.evaluate(data.views(), asked);
  }
  return to_dict(logs);
}

py::array hessian_vector(Network& network, const std::vector<Loss>& losses, const py::object& x, const py::object& y,
                         const py::object& vector, std::int64_t random_step, const py::object& sample_weight) {
  const Data data(network, x, y, sample_weight, "hvp");
  const Argument direction = argument(vector, "hvp", "vector");
  Array product;
  {
    const py::gil_scoped_release release;
    product = hvp(network, losses, data.x.views, data.y.views, direction.view, random_step, data.sample_weight.view);
  }
  return to_numpy(product);
}

}  // namespace

void bind_training(py::module_& module) {
  py::class_<Session>(module, "Trainer")
      .def(py::init(
               [](const Network& network, const std::vector<Loss>& losses, const Optimizer& optimizer, int threads) {
                 return Session{Trainer(network, losses, optimizer, {threads}), network, losses.at(0)};
               }),
           py::arg("network"), py::arg("losses"), py::arg("optimizer"), py::arg("threads"))
      .def("step", &step, py::arg("x"), py::arg("y"), py::arg("sample_weight"))
      .def("gradients", &gradients, py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("random_step"))
      .def("fit", &fit, py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("validation"),
           py::arg("settings"))
      .def("evaluate", &evaluate, py::arg("x"), py::arg("y"), py::arg("sample_weight"), py::arg("metrics"),
           py::arg("check_finite"))
      .def("stop", [](Session& self) { self.trainer.stop(); })
      .def(
          "plan", [](Session& self, Dim batch_size) { return self.trainer.plan(batch_size); }, py::arg("batch_size"))
      .def(
          "profile",
          [](Session& self, Dim batch_size, int repeats) { return self.trainer.profile(batch_size, repeats); },
          py::arg("batch_size"), py::arg("repeats"), py::call_guard<py::gil_scoped_release>())
      .def(
          "memory_estimate", [](Session& self, Dim batch_size) { return self.trainer.memory_estimate(batch_size); },
          py::arg("batch_size"));
  module.def("hvp", &hessian_vector, py::arg("network"), py::arg("losses"), py::arg("x"), py::arg("y"),
             py::arg("vector"), py::arg("random_step"), py::arg("sample_weight") = py::none());
}

}  // namespace backpass::python
