// Losses, and the weights of classes.
#include <pybind11/stl.h>

#include "arrays.h"
#include "bindings.h"
#include "data.h"

namespace backpass::python {
namespace {

// Of a loss of one's own: targets in its form, and a list of gradients where it sees several outputs.
py::tuple value_and_grads(const Loss& loss, const py::object& prediction, const py::object& target,
                          const py::object& sample_weight) {
  std::vector<Argument> held;
  std::vector<ArrayView> predictions;
  const bool several = loss.joint() && (py::isinstance<py::list>(prediction) || py::isinstance<py::tuple>(prediction));
  const py::list parts = several ? py::list(prediction) : py::list(py::make_tuple(prediction));
  for (const py::handle part : parts) {
    held.push_back(argument(part, loss.type(), "prediction"));
    predictions.push_back(held.back().view);
  }
  const TargetArguments y = targets(target, loss.joint() ? TargetForm::joint : TargetForm::own, loss.type());
  const Argument w = optional_argument(sample_weight, loss.type(), "sample_weight");
  std::pair<double, std::vector<Array>> result;
  {
    const WithoutLock release;
    result = loss.value_and_grads(predictions, y.arrays.views, y.names, w.view);
  }
  if (!several) return py::make_tuple(result.first, to_numpy(result.second[0]));
  py::list grads;
  for (const Array& grad : result.second) grads.append(to_numpy(grad));
  return py::make_tuple(result.first, grads);
}

py::tuple value_and_grad(const Loss& loss, const py::object& prediction, const py::object& target,
                         const py::object& sample_weight) {
  if (loss.is_own() && (loss.joint() || in_free_form(target, TargetForm::own)))
    return value_and_grads(loss, prediction, target, sample_weight);
  const Argument p = argument(prediction, loss.type(), "prediction");
  const Argument t = argument(target, loss.type(), "target");
  const Argument w = optional_argument(sample_weight, loss.type(), "sample_weight");
  std::pair<double, Array> result;
  {
    const WithoutLock release;
    result = loss.value_and_grad(p.view, t.view, w.view);
  }
  return py::make_tuple(result.first, to_numpy(result.second));
}

OutputKind to_output_kind(const std::string& name) {
  if (name == "estimates") return OutputKind::estimates;
  if (name == "means_and_variances") return OutputKind::means_and_variances;
  if (name == "yes_no_logits") return OutputKind::yes_no_logits;
  return name == "class_logits" ? OutputKind::class_logits : OutputKind::unknown;
}

// A class or function written in Python: `build(predictions, target, inputs, sample_weight)` of the object gives the
// tensor, `target_shape(shape)`, if it is there, the shape of targets that are one array.
struct PythonLoss {
  std::string name;
  Attributes settings;
  bool labels, all_outputs;
  OutputKind kind;
  Callable build_tensor, shape_of_target;

  std::string type() const { return name; }
  Attributes attributes() const { return settings; }
  bool takes_labels() const { return labels; }
  bool joint() const { return all_outputs; }
  OutputKind output_kind() const { return kind; }
  Shape target_shape(const Shape& prediction) const {
    if (!shape_of_target) return prediction;
    const WithLock acquire;
    return to_shape(call(*shape_of_target, to_tuple(prediction)), name);
  }
  Tensor build(const LossArguments& given) const {
    const WithLock acquire;
    std::vector<py::object> parts;
    for (const Tensor& target : given.targets) parts.push_back(py::cast(target));
    const py::object weight = given.weight ? py::cast(given.weight) : py::object(py::none());
    return call(*build_tensor, given.predictions, in_their_form(parts, given.names), given.inputs, weight)
        .cast<Tensor>();
  }
};

std::vector<double> balanced_weights(const py::object& labels, const Integer& count, std::optional<Dim> ignore_index) {
  const Dim classes = count.as<Dim>("balanced_class_weights", "classes");
  if (classes < 1) throw std::invalid_argument("[balanced_class_weights] classes must be positive");
  const Argument rows = argument(labels, "balanced_class_weights", "labels");
  if (rows.view.shape.size() != 1)
    throw std::invalid_argument("[balanced_class_weights] labels must have shape (rows,), got " +
                                to_string(rows.view.shape));
  return balanced_class_weights(rows.view, classes, ignore_index);
}

std::vector<double> weights_by_class(const py::object& labels, const std::vector<double>& class_weight,
                                     const py::object& sample_weight) {
  const Argument rows = argument(labels, "fit", "y"), given = optional_argument(sample_weight, "fit", "sample_weight");
  if (!given.view.empty() && given.view.shape != rows.view.shape)
    throw std::invalid_argument("[sample_weight] expected shape " + to_string(rows.view.shape) + ", got " +
                                to_string(given.view.shape));
  return class_sample_weights(rows.view, class_weight, given.view);
}

}  // namespace

void bind_losses(py::module_& m) {
  m.def(
      "balanced_class_weights", &balanced_weights, py::arg("labels"), py::arg("classes"),
      py::arg("ignore_index") = py::none(),
      documented("balanced_class_weights",
                 "Weights under which all classes count the same: n / (k m) for a class of m of the n labels, k being "
                 "how many\nclasses occur; 0 for one that does not. Rows of label `ignore_index` do not count; any "
                 "other label "
                 "outside\n[0, classes) is an error (ValueError).")
          .c_str());
  m.def("class_sample_weights", &weights_by_class, py::arg("labels"), py::arg("class_weight"),
        py::arg("sample_weight"));
  m.def(
      "python_loss",
      [](const std::string& type, const py::dict& settings, bool takes_labels, bool joint,
         const std::string& output_kind, const py::object& build, const py::object& target_shape) {
        return Loss(PythonLoss{type, to_attributes(settings), takes_labels, joint, to_output_kind(output_kind),
                               hold(build), target_shape.is_none() ? Callable() : hold(target_shape)});
      },
      py::arg("type"), py::arg("settings"), py::arg("takes_labels"), py::arg("joint"), py::arg("output_kind"),
      py::arg("build"), py::arg("target_shape"));
  py::class_<Loss>(m, "Loss")
      .def_property_readonly("type", &Loss::type)
      .def_property_readonly("takes_labels", &Loss::takes_labels)
      .def_property_readonly("ignored_label", &Loss::ignored_label)
      .def_property_readonly("is_own", &Loss::is_own)
      .def_property_readonly("joint", &Loss::joint)
      .def(
          "target_shape",
          [](const Loss& loss, const py::object& prediction) {
            return to_tuple(loss.target_shape(to_shape(prediction, loss.type())));
          },
          py::arg("prediction"))
      .def(
          "build",
          [](const Loss& loss, const Tensor& prediction, const Tensor& target, const std::optional<Tensor>& w) {
            return loss.build(prediction, target, w.value_or(Tensor()));
          },
          py::arg("prediction"), py::arg("target"), py::arg("sample_weight") = py::none())
      .def(
          "build_of",
          [](const Loss& loss, const std::vector<Tensor>& predictions, const std::vector<Tensor>& targets,
             const std::vector<std::string>& names, const std::vector<Tensor>& inputs) {
            return loss.build({predictions, targets, names, inputs, {}});
          },
          py::arg("predictions"), py::arg("targets"), py::arg("names"), py::arg("inputs"))
      .def("value_and_grad", &value_and_grad, py::arg("prediction"), py::arg("target"),
           py::arg("sample_weight") = py::none());
}

}  // namespace backpass::python
