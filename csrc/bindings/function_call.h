// Calling functions of arrays.
#pragma once

#include <array>

#include "arrays.h"

namespace backpass::python {

// A graph with what calling it has compiled.
class CallableGraph : public Graph {
 public:
  using Graph::Graph;
  explicit CallableGraph(const Graph& graph) : Graph(graph) {}
  const Function& function(bool training) const;

 private:
  mutable std::array<Function, 2> functions_;  // under the interpreter's lock
};

// One new array for each output. `arrays`: one for each input of the function.
py::list call_function(const Function& function, const py::tuple& arrays, const FunctionRun& run);

// `leaves`: where its parameters and states are. `given`: for each output an array that it is written to, or none; a
// new one where there is none.
std::vector<py::object> run_function(const Function& function, const std::vector<ArrayView>& views,
                                     const FunctionRun& run, std::span<const void* const> leaves = {},
                                     std::vector<py::object> given = {});

}  // namespace backpass::python
