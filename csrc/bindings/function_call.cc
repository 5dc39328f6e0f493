// Calling functions of arrays: results are written where NumPy will have them.
#include "function_call.h"

#include "base/turns.h"

namespace backpass::python {
namespace {

// A new array, its elements whatever lies there.
py::array new_array(DType dtype, const Shape& shape, Dim rows) {
  Shape whole = shape;
  std::ranges::replace(whole, kBatch, rows);
  if (static_cast<std::size_t>(element_count(whole)) * size_of(dtype) >= kLeastReused)
    return to_numpy(unset_array(dtype, whole));
  py::ssize_t dims[Shape::kMaxRank];
  std::ranges::copy(whole, dims);
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
  py::list results;
  for (py::object& result : run_function(function, views, run)) results.append(std::move(result));
  return results;
}

std::vector<py::object> run_function(const Function& function, const std::vector<ArrayView>& views,
                                     const FunctionRun& run, std::span<const void* const> leaves,
                                     std::vector<py::object> results) {
  const Dim rows = function.check(views);
  const std::vector<Tensor>& outputs = function.graph().outputs();
  std::vector<void*> places;
  results.resize(outputs.size());
  places.reserve(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!results[i]) results[i] = new_array(outputs[i].dtype(), outputs[i].shape(), rows);
    places.push_back(py::reinterpret_borrow<py::array>(results[i]).mutable_data());
  }
  const WithoutLock release;
  function.run(views, leaves, places, run);
  return results;
}

}  // namespace backpass::python
