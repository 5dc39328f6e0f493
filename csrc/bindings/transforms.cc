// Transformations of graphs, for functions.py to build on.
#include <pybind11/stl.h>

#include "arrays.h"
#include "bindings.h"

namespace backpass::python {
namespace {

using Tensors = std::vector<Tensor>;

// The rule is of the tensors that it was written with: those that take their places replace them in what it gives.
Tensor custom(const Tensor& y, const Tensors& xs, const py::function& rule) {
  return custom_gradient(y, xs, [y, xs, held = hold(rule)](const Tensors& now, const Tensor& made, const Tensor& grad) {
    const Tensor seed = input(y.shape(), y.dtype(), "gradient");
    std::vector<std::optional<Tensor>> given;
    {
      const WithLock acquire;
      given = call(*held, seed).cast<std::vector<std::optional<Tensor>>>();
    }
    Tensors from = xs, with = now, results(given.size());
    from.insert(from.end(), {y, seed});
    with.insert(with.end(), {made, grad});
    for (std::size_t i = 0; i < given.size(); ++i)
      if (given[i]) results[i] = substitute({*given[i]}, from, with)[0];
    return results;
  });
}

}  // namespace

void bind_transforms(py::module_& module) {
  py::module_ m = module.def_submodule("transforms", "Transformations of graphs. Private.");
  m.def("view", &view, py::arg("x"));
  m.def("substitute", &substitute, py::arg("ys"), py::arg("xs"), py::arg("replacements"));
  m.def("vmap", &vmap, py::arg("ys"), py::arg("xs"), py::arg("replacements"));
  m.def("vjp", &vjp, py::arg("ys"), py::arg("xs"), py::arg("seeds"));
  m.def("jvp", &jvp, py::arg("ys"), py::arg("xs"), py::arg("directions"));
  m.def("custom_gradient", &custom, py::arg("y"), py::arg("xs"), py::arg("rule"));
  m.def(
      "in_training",
      [](const Tensors& ys) {
        InTraining made = in_training(ys);
        return py::make_tuple(made.ys, made.moves);
      },
      py::arg("ys"));
  m.def("checkpoint", &checkpoint, py::arg("y"), py::arg("xs"));
}

}  // namespace backpass::python
