// Watchers of a fit, and averages of its weights.
#include <pybind11/stl.h>

#include <cstring>

#include "arrays.h"
#include "bindings.h"

namespace backpass::python {
namespace {

py::dict state_to_dict(const WatcherState& state) {
  py::dict result;
  for (const auto& [name, value] : state.numbers) result[py::str(name)] = value;
  for (const auto& [name, array] : state.arrays) result[py::str(name)] = to_numpy(array).attr("copy")();
  return result;
}

Array copy_of(const py::handle& value, const std::string& name) {
  const py::object dense = py::module_::import("numpy").attr("ascontiguousarray")(value);
  const Argument given = argument(dense, "load_state", name);
  if (given.view.type != ElementType::float32 && given.view.type != ElementType::float64)
    throw py::type_error("[load_state] " + name + " must hold float32 or float64");
  Array array(given.view.type == ElementType::float64 ? DType::float64 : DType::float32, given.view.shape);
  std::memcpy(array.data(), given.view.data, array.bytes());
  return array;
}

WatcherState to_state(const py::dict& values) {
  WatcherState state;
  for (const auto& [key, value] : values) {
    const std::string name = key.cast<std::string>();
    if (PyFloat_Check(value.ptr()) || PyLong_Check(value.ptr()))
      state.numbers.emplace_back(name, value.cast<double>());
    else
      state.arrays.emplace_back(name, copy_of(value, name));
  }
  return state;
}

bool epoch_end(Watcher& self, Network& network, Optimizer& optimizer, const py::dict& values) {
  Logs logs;
  int epoch = 0;
  for (const auto& [key, value] : values) {
    const std::string name = key.cast<std::string>();
    if (name == "epoch")
      epoch = value.cast<int>();
    else
      logs.emplace_back(name, value.cast<double>());
  }
  const WithoutLock release;
  return self.epoch_end(network, optimizer, epoch, logs);
}

py::dict state_of(const Average& average) {
  const AverageState state = average.state();
  py::dict result;
  result["seen"] = state.seen;
  result["updates"] = state.updates;
  if (state.updates > 0) result["average"] = to_numpy(state.values).attr("copy")();
  return result;
}

void load_average(Average& average, const py::dict& values) {
  AverageState state{values["seen"].cast<std::int64_t>(), values["updates"].cast<std::int64_t>(), {}};
  if (state.updates > 0) state.values = copy_of(values["average"], "average");
  average.load_state(state);
}

void bind_averages(py::module_& m) {
  const py::call_guard<WithoutLock> without_lock;
  py::class_<Average>(m, "Average")
      .def_property_readonly("updates", &Average::updates)
      .def("update", &Average::update, py::arg("network"), without_lock)
      .def("apply", &Average::apply, py::arg("network"), without_lock)
      .def("swap", &Average::swap, py::arg("network"), without_lock)
      .def("state", &state_of)
      .def("load_state", &load_average, py::arg("state"));
  m.def(
      "EMA",
      [](double decay, std::int64_t start) {
        return Average(EMA{decay, start});
      },
      py::arg("decay"), py::arg("start"));
  m.def(
      "SWA", [](std::int64_t start_epoch) { return Average(SWA{start_epoch}); }, py::arg("start_epoch"));
}

}  // namespace

void bind_watchers(py::module_& m) {
  bind_averages(m);
  py::class_<Watcher>(m, "Watcher")
      .def("fit_begin", &Watcher::fit_begin)
      .def("epoch_begin", &Watcher::epoch_begin, py::arg("network"), py::arg("optimizer"))
      .def("epoch_end", &epoch_end, py::arg("network"), py::arg("optimizer"), py::arg("logs"))
      .def("fit_end", &Watcher::fit_end, py::arg("network"))
      .def("state", [](const Watcher& self) { return state_to_dict(self.state()); })
      .def(
          "load_state", [](Watcher& self, const py::dict& state) { self.load_state(to_state(state)); },
          py::arg("state"));
  py::class_<EarlyStopping, Watcher>(m, "EarlyStopping")
      .def(py::init([](const std::string& monitor, int patience, bool restore_best, const std::string& mode,
                       double min_delta, int start_epoch) {
             return EarlyStopping({monitor, patience, restore_best, mode, min_delta, start_epoch});
           }),
           py::arg("monitor"), py::arg("patience"), py::arg("restore_best"), py::arg("mode"), py::arg("min_delta"),
           py::arg("start_epoch"))
      .def_property_readonly("best", &EarlyStopping::best)
      .def_property_readonly("best_epoch", &EarlyStopping::best_epoch);
  py::class_<ReduceOnPlateau, Watcher>(m, "ReduceOnPlateau")
      .def(py::init([](const std::string& monitor, double factor, int patience, double threshold,
                       const std::string& threshold_mode, int cooldown, double minimum, const std::string& mode) {
             return ReduceOnPlateau({monitor, factor, patience, threshold, threshold_mode, cooldown, minimum, mode});
           }),
           py::arg("monitor"), py::arg("factor"), py::arg("patience"), py::arg("threshold"), py::arg("threshold_mode"),
           py::arg("cooldown"), py::arg("minimum"), py::arg("mode"));
  py::class_<BoldDriver, Watcher>(m, "BoldDriver")
      .def(py::init([](double increase, double decrease, double tolerance, const std::string& monitor) {
             return BoldDriver({increase, decrease, tolerance, monitor});
           }),
           py::arg("increase"), py::arg("decrease"), py::arg("tolerance"), py::arg("monitor"));
  py::class_<RaiseOnSmallGradients, Watcher>(m, "RaiseOnSmallGradients")
      .def(py::init([](double threshold, double maximum, double factor) {
             return RaiseOnSmallGradients({threshold, maximum, factor});
           }),
           py::arg("threshold"), py::arg("maximum"), py::arg("factor"))
      .def_property_readonly("norm", &RaiseOnSmallGradients::norm);
}

}  // namespace backpass::python
