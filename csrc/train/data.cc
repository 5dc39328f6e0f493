// Checking what is trained on.
#include "base/convert.h"
#include "base/error.h"
#include "train/metrics.h"
#include "train/objective_impl.h"

namespace backpass {

void check_metrics(const Network::Impl& net, const Metrics& metrics, const AllTargets* targets) {
  if (!metrics.empty() && net.outputs().size() != 1)
    fail("metrics", "need a network of one output, this one has ", net.outputs().size());
  if (!metrics.empty() && targets && targets->free)
    fail("metrics", "need targets that are one array, got several or none");
  const auto columns = [&] { return element_count(with_rows(net.outputs()[0].shape(), 1)); };
  for (const auto& [name, compute] : metrics) {
    if (!compute) fail("metrics", '"', name, "\" has no function");
    const NamedMetric* named = compute.target<NamedMetric>();
    if (named && targets) named->check_targets((*targets)[0].y, static_cast<std::size_t>(columns()));
  }
}

namespace {

// Whether one loss takes them all, in whatever form: a joint one always, another where they are not one array.
bool in_free_form(const Losses& losses, std::size_t outputs, const TrainingData& data) {
  return losses.joint() || (outputs == 1 && losses.of(0).is_own() && (data.y.empty() || !data.names.empty()));
}

}  // namespace

Dim check_data(const Network::Impl& net, const Losses& losses, const TrainingData& data, AllTargets& targets) {
  const std::vector<Tensor>& outputs = net.outputs();
  const Dim rows = net.check_inputs(data.x);
  losses.check(outputs.size());
  targets.sample_weight = data.sample_weight;
  if (in_free_form(losses, outputs.size(), data)) {
    fit_free_targets(targets, data.y, data.names, rows, net.dtype);
    if (data.sample_weight.shape.empty()) return rows;
    check_present("sample_weight", data.sample_weight);
    return check_weights(data.sample_weight, rows, net.dtype, true), rows;
  }
  if (!data.names.empty())
    fail("y", losses.of(0).type(), " takes one array for each output, got ", data.y.size(),
         " by name or place: a loss of your own takes those");
  targets.free = false;
  targets.names.clear();
  if (data.y.size() != outputs.size())
    fail("y", "expected one array for each of ", outputs.size(), " outputs, got ", data.y.size());
  targets.each.resize(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const ArrayView& y = data.y[i];
    if (y.shape.empty() || y.rows() != rows)
      fail("y", "expected ", rows, " rows as x has, got shape ", to_string(y.shape));
    targets.each[i] =
        fit_targets(losses.of(i), outputs[i].shape(), y, data.sample_weight, rows, net.dtype, net.last_layers[i]);
  }
  return rows;
}

namespace {

void check_finite_rows(const std::string& what, const ArrayView& view, DType dtype) {
  if (view.empty()) return;
  const Dim rows = view.rows(), cols = rows > 0 ? element_count(view.shape) / rows : 0;
  const auto look = [&](Dim row, Dim elements) {
    return check_finite(static_cast<const std::byte*>(view.data) + row * view.row_stride, view.type, dtype, elements);
  };
  const bool dense = view.row_stride == cols * static_cast<Dim>(size_of(view.type));
  if (dense && look(0, rows * cols) == Finite::yes) return;
  for (Dim row = 0; row < rows; ++row) {
    const Finite finite = look(row, cols);
    if (finite == Finite::non_finite)
      fail(what, "has a value that is not finite in row ", row, "; without check_finite it passes");
    if (finite == Finite::overflows) fail(what, "has a value in row ", row, " that is too large for ", name(dtype));
  }
}

void check_finite_rows(const std::string& what, const ArrayViews& views, DType dtype) {
  for (std::size_t i = 0; i < views.size(); ++i) check_finite_rows(what, views[i], dtype);
}

}  // namespace

Dim check_rows(const Objective::Impl& objective, const TrainingData& data, const std::string& prefix, bool finite,
               AllTargets& targets) {
  const Dim rows = check_data(objective.net(), objective.losses, data, targets);
  if (!finite) return rows;
  check_finite_rows(prefix + "x", data.x, objective.net().dtype);
  for (std::size_t i = 0; i < data.y.size(); ++i)
    check_finite_rows(prefix + target_label(data.names, i), data.y[i], objective.net().dtype);
  return rows;
}

}  // namespace backpass
