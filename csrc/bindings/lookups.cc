// Lookups by indices, and sorting.
#include "axes.h"
#include "bindings.h"

namespace backpass::python {
namespace {

void bind_by_indices(py::module_& m) {
  m.def(
      "take_label",
      [](const Tensor& x, const py::object& labels, const std::optional<Integer>& ignore) {
        return take_label(x, to_indices(labels, "take_label"), ignored(ignore, "take_label"));
      },
      py::arg("x"), py::arg("labels"), py::arg("ignore") = py::none(),
      documented("take_label",
                 "x[i, labels[i]] of x (n, c), labels (n), a tensor or an array; 0 where a label is `ignore`, nan "
                 "where another names "
                 "no column.")
          .c_str());
  m.def(
      "take",
      [](const Tensor& x, const py::object& indices, const Integer& axis, const std::optional<Integer>& ignore) {
        return take(x, to_indices(indices, "take"), axis_at(axis, "take"), ignored(ignore, "take"));
      },
      py::arg("x"), py::arg("indices"), py::arg("axis") = py::int_(0), py::arg("ignore") = py::none(),
      documented(
          "take",
          "Elements along an axis by int32 indices. Negative ones count from the end; others outside are an error\n"
          "of the run (ValueError). An index to `ignore` gives zeros; beside it, negative ones are such errors.")
          .c_str());
  m.def(
      "take_along_axis",
      [](const Tensor& x, const py::object& indices, const Integer& axis) {
        return take_along_axis(x, to_indices(indices, "take_along_axis"), axis_at(axis, "take_along_axis"));
      },
      py::arg("x"), py::arg("indices"), py::arg("axis") = py::int_(-1),
      documented("take_along_axis",
                 "Elements along an axis, by int32 indices for each line of their own; other dimensions broadcast.\n"
                 "Negative indices count from the end; others outside are an error of the run (ValueError).")
          .c_str());
  m.def(
      "gather",
      [](const Tensor& x, const Integer& axis, const py::object& indices) {
        return gather(x, axis_at(axis, "gather"), to_indices(indices, "gather"));
      },
      py::arg("x"), py::arg("axis"), py::arg("indices"),
      documented("gather",
                 "As `take_along_axis`, in PyTorch's order of arguments: indices may have fewer elements than x\n"
                 "along other axes.")
          .c_str());
  m.def(
      "one_hot",
      [](const py::object& indices, const Integer& num_classes, const std::string& dtype) {
        return one_hot(to_indices(indices, "one_hot"), num_classes.as<Dim>("one_hot", "num_classes"),
                       parse_dtype(dtype));
      },
      py::arg("indices"), py::arg("num_classes"), py::arg("dtype") = "float32",
      documented("one_hot", "1 in the column that an index names, 0 in the others, and in all where it names none.")
          .c_str());
}

void bind_sorting(py::module_& m) {
  m.def(
      "sort",
      [](const Tensor& x, const Integer& axis, bool descending) { return sort(x, axis_at(axis, "sort"), descending); },
      py::arg("x"), py::arg("axis") = py::int_(-1), py::arg("descending") = false,
      documented("sort",
                 "In order along an axis, stable; not a number comes last. The gradient goes where values came\n"
                 "from.")
          .c_str());
  m.def(
      "argsort",
      [](const Tensor& x, const Integer& axis, bool descending) {
        return argsort(x, axis_at(axis, "argsort"), descending);
      },
      py::arg("x"), py::arg("axis") = py::int_(-1), py::arg("descending") = false,
      documented("argsort", "The int32 indices that `sort` takes values by.").c_str());
  m.def(
      "topk",
      [](const Tensor& x, const Integer& k, const Integer& axis, bool largest) {
        const TopK best = topk(x, k.as<Dim>("topk", "k"), axis_at(axis, "topk"), largest);
        return std::pair(best.values, best.indices);
      },
      py::arg("x"), py::arg("k"), py::arg("axis") = py::int_(-1), py::arg("largest") = true,
      documented("topk", "The k greatest or least along an axis, the best first, and their int32 indices.").c_str());
}

}  // namespace

void bind_lookups(py::module_& m) {
  bind_by_indices(m);
  bind_sorting(m);
}

}  // namespace backpass::python
