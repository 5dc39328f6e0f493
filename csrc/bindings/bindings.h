// The parts of the extension module, one function per file.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

namespace backpass::python {

void bind_tensors(pybind11::module_& module);
void bind_functions(pybind11::module_& module);
// Of which bind_functions is told:
void bind_products(pybind11::module_& module);
void bind_convolutions(pybind11::module_& module);
void bind_pooling(pybind11::module_& module);
void bind_attention(pybind11::module_& module);
void bind_linalg(pybind11::module_& module);
void bind_reductions(pybind11::module_& module);
void bind_shapes(pybind11::module_& module);
void bind_lookups(pybind11::module_& module);
void bind_fills(pybind11::module_& module);
void bind_random(pybind11::module_& module);
void bind_traced(pybind11::module_& module);
void bind_transforms(pybind11::module_& module);
void bind_layers(pybind11::module_& module);
void bind_descriptions(pybind11::module_& module);
void bind_losses(pybind11::module_& module);
void bind_networks(pybind11::module_& module);
void bind_mistakes(pybind11::module_& module);
void bind_optimizers(pybind11::module_& module);
void bind_objective(pybind11::module_& module);
void bind_training(pybind11::module_& module);
void bind_watchers(pybind11::module_& module);
void bind_machine(pybind11::module_& module);
void bind_eager(pybind11::module_& module);
void bind_bench(pybind11::module_& module);

// For every function and constructor of the module: TypeErrors for arguments of wrong types are a line of ours.
void tell_of_arguments(pybind11::module_& module);

// A docstring with the example of a function, where there is one (examples.cc).
std::string documented(const std::string& name, const std::string& text);

}  // namespace backpass::python
