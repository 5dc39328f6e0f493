// Calling functions of arrays: results are written where NumPy will have them.
#include "function_call.h"

namespace backpass::python {
namespace {

// A new array, its elements whatever lies there.
py::array new_array(DType dtype, const Shape& shape, Dim rows) {
  py::ssize_t dims[Shape::kMaxRank];
  std::ranges::transform(shape, dims, [&](Dim dim) { return dim == kBatch ? rows : dim; });
  const auto& numpy = py::detail::npy_api::get();
  PyObject* made = numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, numpy_dtype(dtype).release().ptr(),
                                               static_cast<int>(shape.size()), dims, nullptr, nullptr, 0, nullptr);
  if (made == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::array>(made);
}

std::string label_of(const Function& function, std::size_t i) {
  const std::vector<Tensor>& inputs = function.graph().inputs();
  return i < inputs.size() && !inputs[i].name().empty() ? inputs[i].name() : "argument " + std::to_string(i);
}

}  // namespace

const Function& CallableGraph::function(bool training) const {
  Function& made = functions_[training ? 1 : 0];
  if (!made) made = Function(*this, training, "Graph");
  return made;
}

py::list call_function(const Function& function, const py::tuple& arrays, const FunctionRun& run) {
  std::vector<Argument> held;
  std::vector<ArrayView> views;
  held.reserve(arrays.size());
  views.reserve(arrays.size());
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    held.push_back(argument(arrays[i], "Graph", label_of(function, i)));
    views.push_back(held.back().view);
  }
  const Dim rows = function.check(views);
  const std::vector<Tensor>& outputs = function.graph().outputs();
  py::list results(outputs.size());
  std::vector<void*> places;
  places.reserve(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    py::array made = new_array(outputs[i].dtype(), outputs[i].shape(), rows);
    places.push_back(made.mutable_data());
    results[i] = std::move(made);
  }
  const WithoutLock release;
  function.run(views, {}, places, run);
  return results;
}

}  // namespace backpass::python
