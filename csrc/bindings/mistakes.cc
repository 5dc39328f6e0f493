// What a network's graph tells of probable mistakes.
#include <pybind11/stl.h>

#include <algorithm>
#include <unordered_set>

#include "arrays.h"
#include "bindings.h"
#include "graph/op_row.h"

namespace backpass::python {
namespace {

// Whether weights start as random numbers, and none by a function of the caller's, who then knows what they are.
bool starts_at_random(const Network& network) {
  const std::vector<Tensor>& parameters = network.graph().parameters();
  const auto is_fixed = [](const Tensor& t) {
    return t.op().initializer.name == "zeros" || t.op().initializer.name == "ones";
  };
  const auto is_own = [](const Tensor& t) { return static_cast<bool>(t.op().initializer.fill); };
  return !std::all_of(parameters.begin(), parameters.end(), is_fixed) &&
         std::none_of(parameters.begin(), parameters.end(), is_own);
}

bool only_moves(OpKind kind) {
  return kind == OpKind::reshape || kind == OpKind::transpose || kind == OpKind::slice || kind == OpKind::concat;
}

bool sums_up(OpKind kind) { return kind == OpKind::sum || kind == OpKind::center || kind == OpKind::inverse_rms; }

// Whether an input goes into a product as it is, and nothing that depends on it is summed up, as a normalisation would.
bool enters_product_unscaled(const Graph& graph, const Tensor& input) {
  std::unordered_set<const Op*> raw{&input.op()}, dependent{&input.op()};
  bool enters = false;
  for (const Tensor& t : graph.ops()) {
    const auto reads = [&](const auto& set) {
      return std::any_of(t.op().inputs.begin(), t.op().inputs.end(),
                         [&](const Tensor& from) { return set.count(&from.op()) > 0; });
    };
    if (!reads(dependent)) continue;
    dependent.insert(&t.op());
    if (sums_up(t.op().kind)) return false;
    if (!reads(raw)) continue;
    if (only_moves(t.op().kind)) raw.insert(&t.op());
    enters = enters || is_product(t.op());
  }
  return enters;
}

std::vector<bool> unscaled_inputs(const Network& network) {
  std::vector<bool> result;
  for (const Tensor& x : network.graph().inputs()) result.push_back(enters_product_unscaled(network.graph(), x));
  return result;
}

}  // namespace

void bind_mistakes(py::module_& module) {
  module.def("starts_at_random", &starts_at_random, py::arg("network"));
  module.def("unscaled_inputs", &unscaled_inputs, py::arg("network"));
}

}  // namespace backpass::python
