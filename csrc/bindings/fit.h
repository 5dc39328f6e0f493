// fit and evaluate, with their hooks into Python.
#pragma once

#include "data.h"

namespace backpass::python {

// An objective, its network, the first of its losses (what metrics go by), and how targets come.
struct ObjectiveSession {
  Objective objective;
  Network network;
  Loss loss;
  Taker taker;
};

// The same of a trainer.
struct Session {
  Trainer trainer;
  Network network;
  Loss loss;
  Taker taker;
};

// data, validation: (x, y, sample_weight), a stream, or a list of data sets.
py::dict fit(Session& session, const py::object& data, const py::object& validation, const py::dict& settings);
py::dict evaluate(ObjectiveSession& session, const py::object& data, const py::list& metrics, bool check_finite);

}  // namespace backpass::python
