// Schedules of the learning rate.
#include <pybind11/stl.h>

#include "arrays.h"
#include "bindings.h"

namespace backpass::python {
namespace {

template <class T>
T get(const py::dict& settings, const char* name) {
  return settings[name].cast<T>();
}

Schedule make_schedule(const std::string& type, const py::dict& s, std::int64_t warmup, const std::string& per) {
  const ScheduleOptions options{warmup, per == "epoch" ? Per::epoch : Per::step};
  if (type == "ConstantRate") return {ConstantRate{}, options};
  if (type == "StepDecay") return {StepDecay{get<std::int64_t>(s, "every"), get<double>(s, "gamma")}, options};
  if (type == "MultiStepDecay")
    return {MultiStepDecay{get<std::vector<std::int64_t>>(s, "milestones"), get<double>(s, "gamma")}, options};
  if (type == "ExponentialDecay") return {ExponentialDecay{get<double>(s, "gamma")}, options};
  if (type == "CosineAnnealing")
    return {CosineAnnealing{get<std::int64_t>(s, "steps"), get<double>(s, "minimum"), get<bool>(s, "restarts"),
                            get<std::int64_t>(s, "multiplier")},
            options};
  if (type == "OneCycle")
    return {OneCycle{get<std::int64_t>(s, "steps"), get<double>(s, "pct_start"), get<std::string>(s, "anneal_strategy"),
                     get<double>(s, "div_factor"), get<double>(s, "final_div_factor")},
            options};
  if (type == "PolynomialDecay")
    return {PolynomialDecay{get<std::int64_t>(s, "steps"), get<double>(s, "power"), get<double>(s, "minimum")},
            options};
  if (type == "InverseSquareRoot") return {InverseSquareRoot{get<std::int64_t>(s, "steps")}, options};
  throw std::invalid_argument("[make_schedule] there is no " + type);
}

}  // namespace

void bind_schedules(py::module_& m) {
  py::class_<Schedule>(m, "Schedule").def("factor", &Schedule::factor, py::arg("t"));
  m.def("make_schedule", &make_schedule, py::arg("type"), py::arg("settings"), py::arg("warmup"), py::arg("per"));
}

}  // namespace backpass::python
