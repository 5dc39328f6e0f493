// Numbers and arrays beside tensors.
#include "operand.h"

#include <backpass/eager.h>

namespace backpass::python {
namespace {

Tensor of_array(const py::array& x, const Tensor& beside) {
  const Argument given = argument(x, "Tensor", "an array beside it");
  if (eager::is_eager(beside)) return eager::tensor(given.view, beside.dtype());
  const auto values = py::array_t<double, py::array::c_style | py::array::forcecast>::ensure(given.owner);
  if (!values) throw py::error_already_set();
  const Shape shape(values.shape(), values.shape() + values.ndim());
  return constant(std::vector<double>(values.data(), values.data() + values.size()), shape, beside.dtype());
}

}  // namespace

Tensor as_tensor(const Operand& x, const Tensor& beside) {
  if (const double* number = std::get_if<double>(&x)) return constant(*number, {}, beside.dtype());
  if (const Tensor* tensor = std::get_if<Tensor>(&x)) return *tensor;
  const py::array& array = std::get<py::array>(x);
  return array.ndim() == 0 ? constant(py::float_(array).cast<double>(), {}, beside.dtype()) : of_array(array, beside);
}

const Tensor& first_tensor(const char* who, const std::vector<Operand>& operands) {
  for (const Operand& x : operands)
    if (const Tensor* tensor = std::get_if<Tensor>(&x)) return *tensor;
  throw py::type_error("[" + std::string(who) + "] takes a tensor, got none; bp.tensor(array) makes one");
}

std::vector<Tensor> tensors_of(const char* who, const std::vector<Operand>& operands) {
  std::vector<Tensor> tensors;
  for (const Operand& x : operands) tensors.push_back(as_tensor(x, first_tensor(who, operands)));
  return tensors;
}

}  // namespace backpass::python
