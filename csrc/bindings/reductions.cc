// Reductions over axes, scans and functions of all elements along an axis.
#include "axes.h"
#include "bindings.h"

namespace backpass::python {
namespace {

using Reduction = Tensor (*)(const Tensor&, Axes, bool);

void bind_over_axes(py::module_& m, const char* name, Reduction function, const char* doc) {
  m.def(
      name,
      [name, function](const Tensor& x, const AnyAxes& axis, bool keepdims) {
        return function(x, axes_of(axis, name), keepdims);
      },
      py::arg("x"), py::arg("axis") = py::none(), py::arg("keepdims") = false, documented(name, doc).c_str());
}

using Moment = Tensor (*)(const Tensor&, Axes, double, bool);

void bind_moment(py::module_& m, const char* name, Moment function, const char* doc) {
  m.def(
      name,
      [name, function](const Tensor& x, const AnyAxes& axis, double ddof, bool keepdims,
                       std::optional<double> correction) {
        return function(x, axes_of(axis, name), correction.value_or(ddof), keepdims);
      },
      py::arg("x"), py::arg("axis") = py::none(), py::arg("ddof") = 0.0, py::arg("keepdims") = false, py::kw_only(),
      py::arg("correction") = py::none(), documented(name, doc).c_str());
}

using Choice = Tensor (*)(const Tensor&, std::optional<Dim>, bool);

void bind_choice(py::module_& m, const char* name, Choice function, const char* doc) {
  m.def(
      name,
      [name, function](const Tensor& x, const std::optional<Integer>& axis, bool keepdims) {
        return function(x, axis_or_none(axis, name), keepdims);
      },
      py::arg("x"), py::arg("axis") = py::none(), py::arg("keepdims") = false, documented(name, doc).c_str());
}

using Along = Tensor (*)(const Tensor&, Dim);

void bind_along(py::module_& m, const char* name, Along function, const char* doc) {
  m.def(
      name, [name, function](const Tensor& x, const Integer& axis) { return function(x, axis.as<Dim>(name, "axis")); },
      py::arg("x"), py::arg("axis") = py::int_(-1), documented(name, doc).c_str());
}

// Without an axis, of x as one row, as in NumPy.
void bind_scan(py::module_& m, const char* name, Along function, const char* doc) {
  m.def(
      name,
      [name, function](const Tensor& x, const std::optional<Integer>& axis) {
        return axis ? function(x, axis->as<Dim>(name, "axis")) : function(ravel(x), 0);
      },
      py::arg("x"), py::arg("axis") = py::none(), documented(name, doc).c_str());
}

}  // namespace

void bind_reductions(py::module_& m) {
  bind_over_axes(m, "sum", &sum, "The sum over some axes, or over all.");
  bind_over_axes(m, "mean", &mean, "The mean over some axes, or over all.");
  const char *const
      max_doc =
          "The greatest over some axes, or over all; not a number where any is. Elements that tie share the gradient\n"
          "equally. Of no elements: an error where that is known.",
      *const min_doc = "The least, likewise: see `max`.";
  bind_over_axes(m, "max", &max, max_doc);
  bind_over_axes(m, "amax", &max, max_doc);
  bind_over_axes(m, "min", &min, min_doc);
  bind_over_axes(m, "amin", &min, min_doc);
  bind_over_axes(m, "prod", &prod, "The product over some axes, or over all; derivatives hold where elements are 0.");
  bind_over_axes(m, "logsumexp", &logsumexp, "log of the sum of exp(x) over some axes, or over all, without overflow.");
  bind_over_axes(m, "any", &any, "1 where any element is not 0, else 0, of the dtype of x; no gradient flows.");
  bind_over_axes(m, "all", &all, "1 where no element is 0, else 0, of the dtype of x; no gradient flows.");
  bind_over_axes(m, "count_nonzero", &count_nonzero,
                 "How many elements are not 0, of the dtype of x; no gradient flows.");
  bind_moment(m, "var", &var,
              "The variance over some axes, or over all: the sum of squared distances from the mean, over n - ddof\n"
              "(`correction` is PyTorch's word for it).");
  bind_moment(m, "std", &std, "The square root of `var`; derivative 0 at 0.");
  m.def(
      "norm",
      [](const Tensor& x, const AnyAxes& axis, bool keepdims, double ord) {
        return norm(x, axes_of(axis, "norm"), keepdims, ord);
      },
      py::arg("x"), py::arg("axis") = py::none(), py::arg("keepdims") = false, py::arg("ord") = 2.0,
      documented("norm",
                 "The norm of vectors, over some axes, or over all. `ord` is 2 for sqrt(sum(square(x))), with\n"
                 "derivative 0 at 0, whose squares must be within the range of the dtype; 1 for the sum of |x|;\n"
                 "inf or -inf for the greatest or least |x|; 0 for the count of what is not 0.")
          .c_str());
  bind_choice(m, "argmax", &argmax,
              "Where the greatest element is along an axis, as int32: the first of several; not a number is the\n"
              "greatest. Without an axis, in x as one row.");
  bind_choice(m, "argmin", &argmin, "Where the least element is, likewise: see `argmax`.");
  bind_scan(m, "cumsum", &cumsum, "The sums of all elements up to each along an axis; without one, of x as one row.");
  bind_scan(m, "cumprod", &cumprod,
            "The products of all elements up to each along an axis; derivatives hold where elements are 0.");
  bind_along(m, "softmax", &softmax, "exp(x) over its sum, along an axis.");
  bind_along(m, "log_softmax", &log_softmax, "log(softmax(x)), without loss of digits.");
  bind_along(m, "log_sum_exp", &log_sum_exp,
             "log of the sum of exp(x) along an axis, which it drops; -inf for rows without\nelements.");
}

}  // namespace backpass::python
