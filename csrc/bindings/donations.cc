// Arrays that the caller gives away for results: which ones can hold them.
#include "donations.h"

#include <algorithm>

namespace backpass::python {
namespace {

// The bytes that a view reads.
struct Extent {
  const std::byte *begin, *end;

  explicit Extent(const ArrayView& view) : begin(static_cast<const std::byte*>(view.data)), end(begin) {
    const Dim rows = view.shape.empty() ? 1 : view.shape[0], elements = element_count(view.shape);
    if (elements > 0) end += (rows - 1) * view.row_stride + elements / rows * static_cast<Dim>(size_of(view.type));
  }
  bool meets(const Extent& other) const { return begin < other.end && other.begin < end; }
};

// Whether an argument could hold an output: dense, and of the type of the graph.
bool fits(const py::object& owner, const ArrayView& view, const Tensor& input) {
  if (Py_TYPE(owner.ptr()) != py::detail::npy_api::get().PyArray_Type_) return false;
  const auto array = py::reinterpret_borrow<py::array>(owner);
  return array.writeable() && (array.flags() & py::array::c_style) != 0 && view.type == element_type(input.dtype());
}

}  // namespace

void add_donations(Trace& trace) {
  const std::vector<int>& in_place = trace.function.in_place();
  for (std::size_t output = 0; output < in_place.size() && trace.function.leaves().empty(); ++output) {
    const auto input = static_cast<std::size_t>(in_place[output]);
    if (in_place[output] < 0 || input >= trace.inputs.size()) continue;
    const std::size_t leaf = trace.inputs[input];
    if (std::ranges::count(trace.results, static_cast<int>(leaf), &Trace::Result::argument) == 0)
      trace.donations.push_back({output, input, leaf});
  }
}

std::vector<py::object> donated(const Trace& trace, const Call& call, const std::vector<ArrayView>& views) {
  std::vector<py::object> given;
  if (call.donated.empty() || trace.donations.empty()) return given;
  const Graph& graph = trace.function.graph();
  const std::vector<Extent> extents(views.begin(), views.end());
  given.resize(graph.outputs().size());
  for (const auto& [output, input, leaf] : trace.donations) {
    const bool is_given = leaf < call.donated.size() && call.donated[leaf];
    const py::object& owner = call.leaves[leaf].owner;
    if (!is_given || !fits(owner, views[input], graph.inputs()[input])) continue;
    const auto meets = [&own = extents[input]](const Extent& other) { return own.meets(other); };
    if (std::ranges::count_if(extents, meets) <= 1) given[output] = owner;  // itself, unless it is empty
  }
  return given;
}

}  // namespace backpass::python
