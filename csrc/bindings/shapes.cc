// Shapes, and what is made of pieces.
#include "axes.h"
#include "bindings.h"
#include "operand.h"

namespace backpass::python {

namespace {

std::vector<Dim> dims_or_one(const std::variant<Integers, Integer>& given, const char* where, const char* name) {
  if (const auto* one = std::get_if<Integer>(&given)) return {one->as<Dim>(where, name)};
  return dims_of(std::get<Integers>(given), where, name);
}

// As NumPy has it: a number, (before, after), or a pair for each axis.
std::vector<PadWidth> widths_of(const py::object& given, std::size_t rank) {
  const py::object numpy = py::module_::import("numpy");
  const py::array array = numpy.attr("asarray")(given);
  if (array.dtype().kind() != 'i' && array.dtype().kind() != 'u')
    throw py::type_error("[pad] pad_width must be whole numbers, got dtype " +
                         py::str(array.dtype()).cast<std::string>());
  const py::array pairs = numpy.attr("broadcast_to")(array, py::make_tuple(rank, 2));
  std::vector<PadWidth> widths;
  for (const auto& [before, after] : pairs.attr("tolist")().cast<std::vector<std::pair<Dim, Dim>>>())
    widths.push_back({before, after});
  return widths;
}

PadMode pad_mode(const std::string& given) {
  for (const PadMode mode : {PadMode::constant, PadMode::edge, PadMode::reflect, PadMode::wrap})
    if (given == name(mode)) return mode;
  throw std::invalid_argument("[pad] mode must be one of constant, edge, reflect, wrap, got \"" + given + "\"");
}

void bind_views(py::module_& m) {
  m.def(
      "broadcast_to",
      [](const Tensor& x, const py::object& shape) { return broadcast_to(x, to_shape(shape, "broadcast_to")); },
      py::arg("x"), py::arg("shape"), documented("broadcast_to", "x repeated to a shape, as in NumPy.").c_str());
  m.def(
      "reshape", [](const Tensor& x, const py::object& shape) { return reshape(x, shape_of(shape, "reshape")); },
      py::arg("x"), py::arg("shape"),
      documented("reshape",
                 "The same elements in another shape, of which one dimension may be -1: as many as are left.\n"
                 "A batch (None) stays first.")
          .c_str());
  m.def(
      "transpose",
      [](const Tensor& x, const std::optional<Integers>& axes) {
        return axes ? transpose(x, dims_of(*axes, "transpose", "axes")) : transpose(x);
      },
      py::arg("x"), py::arg("axes") = py::none(),
      documented("transpose", "Output axis i is input axis axes[i]; without axes, in the opposite order.").c_str());
  m.def(
      "swapaxes",
      [](const Tensor& x, const Integer& axis1, const Integer& axis2) {
        return swapaxes(x, axis1.as<Dim>("swapaxes", "axis1"), axis2.as<Dim>("swapaxes", "axis2"));
      },
      py::arg("x"), py::arg("axis1"), py::arg("axis2"),
      documented("swapaxes", "x with two axes in each other's place.").c_str());
  m.def(
      "moveaxis",
      [](const Tensor& x, const Integer& source, const Integer& destination) {
        return moveaxis(x, source.as<Dim>("moveaxis", "source"), destination.as<Dim>("moveaxis", "destination"));
      },
      py::arg("x"), py::arg("source"), py::arg("destination"),
      documented("moveaxis", "x with one axis at another place; the others keep their order.").c_str());
  m.def("flatten", &flatten, py::arg("x"),
        documented("flatten", "x as one axis; where it has a batch, each row as one axis.").c_str());
  m.def("ravel", &ravel, py::arg("x"), documented("ravel", "x as one axis.").c_str());
  m.def(
      "expand_dims", [](const Tensor& x, const Integer& axis) { return expand_dims(x, axis_at(axis, "expand_dims")); },
      py::arg("x"), py::arg("axis"), documented("expand_dims", "x with a new axis of one element.").c_str());
  m.def(
      "squeeze", [](const Tensor& x, const AnyAxes& axis) { return squeeze(x, axes_of(axis, "squeeze")); },
      py::arg("x"), py::arg("axis") = py::none(),
      documented("squeeze", "x without some axes of one element, or without all of them.").c_str());
}

void bind_pieces(py::module_& m) {
  m.def(
      "slice",
      [](const Tensor& x, const Integer& axis, const Integer& begin, const Integer& end, const Integer& step) {
        return slice(x, axis_at(axis, "slice"), begin.as<Dim>("slice", "begin"), end.as<Dim>("slice", "end"),
                     step.as<Dim>("slice", "step"));
      },
      py::arg("x"), py::arg("axis"), py::arg("begin"), py::arg("end"), py::arg("step") = py::int_(1),
      documented("slice", "Elements begin to end (not included) along an axis that is not the batch.").c_str());
  m.def(
      "concat",
      [](const std::vector<Operand>& xs, const Integer& axis) {
        return concat(tensors_of("concat", xs), axis_at(axis, "concat"));
      },
      py::arg("xs"), py::arg("axis") = py::int_(0),
      documented("concat", "Tensors, or arrays beside one, side by side along an axis but the batch.").c_str());
  m.def(
      "stack",
      [](const std::vector<Operand>& xs, const Integer& axis) {
        return stack(tensors_of("stack", xs), axis_at(axis, "stack"));
      },
      py::arg("xs"), py::arg("axis") = py::int_(0),
      documented("stack", "Tensors of one shape, and arrays beside them, side by side along a new axis.").c_str());
  m.def(
      "split",
      [](const Tensor& x, const std::variant<Integers, Integer>& parts, const Integer& axis) {
        const Dim at = axis_at(axis, "split");
        if (const auto* count = std::get_if<Integer>(&parts))
          return split(x, count->as<Dim>("split", "indices_or_sections"), at);
        return split(x, dims_of(std::get<Integers>(parts), "split", "indices_or_sections"), at);
      },
      py::arg("x"), py::arg("indices_or_sections"), py::arg("axis") = py::int_(0),
      documented("split", "Equal parts along an axis, or those between some positions; a list of tensors.").c_str());
  m.def(
      "unstack", [](const Tensor& x, const Integer& axis) { return unstack(x, axis_at(axis, "unstack")); },
      py::arg("x"), py::arg("axis") = py::int_(0),
      documented("unstack", "One tensor for each element of an axis, which goes; a list.").c_str());
  m.def(
      "flip", [](const Tensor& x, const AnyAxes& axis) { return flip(x, axes_of(axis, "flip")); }, py::arg("x"),
      py::arg("axis") = py::none(),
      documented("flip", "The elements along some axes, or along all, in the opposite order.").c_str());
  m.def(
      "roll",
      [](const Tensor& x, const std::variant<Integers, Integer>& shift, const AnyAxes& axis) {
        std::vector<Dim> by = dims_or_one(shift, "roll", "shift");
        std::optional<std::vector<Dim>> axes = axes_of(axis, "roll");
        if (by.size() == 1 && axes) by.resize(axes->size(), by[0]);
        if (!axes) return reshape(roll(ravel(x), by, std::vector<Dim>(by.size(), 0)), x.shape());
        if (axes->size() == 1) axes->resize(by.size(), axes->front());
        return roll(x, by, *axes);
      },
      py::arg("x"), py::arg("shift"), py::arg("axis") = py::none(),
      documented(
          "roll",
          "Elements moved on along an axis, or several, or in x as one row; what leaves at an end enters at the\n"
          "other. `shift` is a number, or one for each axis.")
          .c_str());
  m.def(
      "tile",
      [](const Tensor& x, const std::variant<Integers, Integer>& reps) {
        return tile(x, dims_or_one(reps, "tile", "reps"));
      },
      py::arg("x"), py::arg("reps"),
      documented("tile", "x side by side with itself, as often along each of the last axes.").c_str());
  m.def(
      "repeat",
      [](const Tensor& x, const std::variant<Integers, Integer>& repeats, const std::optional<Integer>& axis) {
        const Tensor y = axis ? x : ravel(x);
        const Dim at = axis ? axis_at(*axis, "repeat") : 0;
        if (const auto* one = std::get_if<Integer>(&repeats)) return repeat(y, one->as<Dim>("repeat", "repeats"), at);
        return repeat(y, dims_of(std::get<Integers>(repeats), "repeat", "repeats"), at);
      },
      py::arg("x"), py::arg("repeats"), py::arg("axis") = py::none(),
      documented("repeat", "Each element along an axis as often; without an axis, of x as one row.").c_str());
  m.def(
      "pad",
      [](const Tensor& x, const py::object& pad_width, const std::string& mode, double constant_values) {
        return pad(x, widths_of(pad_width, x.shape().size()), pad_mode(mode), constant_values);
      },
      py::arg("x"), py::arg("pad_width"), py::arg("mode") = "constant", py::arg("constant_values") = 0.0,
      documented("pad",
                 "x with more elements at the ends of its axes: `pad_width` of both, (before, after), or a pair for\n"
                 "each axis. `mode` is constant, edge (the nearest), reflect (mirrored at the last) or wrap.")
          .c_str());
}

}  // namespace

void bind_shapes(py::module_& m) {
  bind_views(m);
  bind_pieces(m);
}

}  // namespace backpass::python
