// Fit and evaluate: options and hooks.
#include "fit.h"

#include <pybind11/stl.h>

#include <deque>

namespace backpass::python {
namespace {

double call_metric(const py::object& function, const std::string& name, const ArrayView& y_true,
                   const ArrayView& y_pred) {
  const WithLock acquire;
  const py::object value = call(function, to_numpy(y_true), to_numpy(y_pred));
  const std::optional<double> number = to_number(value, "metrics", "what " + name + " returns");
  if (number) return *number;
  throw py::type_error("[metrics] " + name + " must return a number, got " +
                       py::str(py::type::of(value).attr("__name__")).cast<std::string>());
}

MetricInput to_input(const std::string& name) {
  if (name == "labels") return MetricInput::labels;
  return name == "probabilities" ? MetricInput::probabilities : MetricInput::outputs;
}

// From a name, a callable and what it is shown; None for a metric of our own.
Metrics to_metrics(const py::list& given, const Loss& loss) {
  Metrics metrics;
  for (const py::handle each : given) {
    const auto [name, function, input] = each.cast<std::tuple<std::string, py::object, std::string>>();
    if (function.is_none()) {
      metrics.emplace_back(name, metric(name, loss));
      continue;
    }
    const auto call = [name = name, held = hold(function)](const ArrayView& y_true, const ArrayView& y_pred) {
      return call_metric(*held, name, y_true, y_pred);
    };
    metrics.emplace_back(name, metric(call, to_input(input), loss));
  }
  return metrics;
}

py::dict logs_to_dict(const Logs& logs) {
  py::dict result;
  for (const auto& [name, value] : logs) result[py::str(name)] = value;
  return result;
}

// The hooks that Python asked for; each takes the interpreter's lock for as long as it runs.
FitHooks to_hooks(const py::dict& functions) {
  FitHooks hooks;
  const auto find = [&](const char* name) { return functions.contains(name) ? hold(functions[name]) : Callable(); };
  const auto forward_to = [](auto& hook, const Callable& function) {
    if (function) {
      hook = [function](auto... values) {
        const WithLock acquire;
        call(*function, values...);
      };
    }
  };
  forward_to(hooks.epoch_begin, find("epoch_begin"));
  forward_to(hooks.batch_begin, find("batch_begin"));
  forward_to(hooks.batch_end, find("batch_end"));
  forward_to(hooks.progress, find("progress"));
  forward_to(hooks.warning, find("warning"));
  if (const Callable function = find("epoch_end")) {
    hooks.epoch_end = [function](int epoch, const Logs& logs) {
      const WithLock acquire;
      call(*function, epoch, logs_to_dict(logs));
    };
  }
  if (const Callable function = find("order")) {
    hooks.order = [function](Dim rows) {
      const WithLock acquire;
      const py::buffer_info order = call(*function, rows).cast<py::buffer>().request();  // int64, dense
      const auto* first = static_cast<const std::int64_t*>(order.ptr);
      return std::vector<std::int64_t>(first, first + order.size);
    };
  }
  hooks.interrupt = &WithoutLock::check_signals;
  return hooks;
}

// Of callbacks: (text, {name: array}).
struct Notes {
  std::vector<Argument> owners;
  CheckpointNotes notes;
};

Notes to_notes(const py::tuple& given) {
  Notes result;
  result.notes.text = given[0].cast<std::string>();
  for (const auto& [name, value] : given[1].cast<py::dict>()) {
    result.owners.push_back(argument(call(value.attr("copy"), "C"), "Checkpoint", "an array of a callback's state"));
    result.notes.arrays.emplace_back(name.cast<std::string>(), result.owners.back().view);
  }
  return result;
}

// settings: path, state (a function that gives notes), every_batches, every_epochs, every_seconds.
void add_writer(Checkpointing& checkpointing, const py::dict& settings) {
  checkpointing.every_batches = settings["every_batches"].cast<Dim>();
  checkpointing.every_epochs = settings["every_epochs"].cast<int>();
  checkpointing.every_seconds = settings["every_seconds"].cast<double>();
  checkpointing.write = [path = settings["path"].cast<std::string>(), notes = hold(settings["state"])](
                            const Network& network, const Optimizer& optimizer, const FitState& state) {
    const WithLock acquire;
    const Notes taken = to_notes(call(*notes));
    const WithoutLock release;
    write_checkpoint(path, network, optimizer, state, taken.notes);
  };
}

// settings: path, load (a function that takes text and arrays).
void add_reader(Checkpointing& checkpointing, const py::dict& settings) {
  checkpointing.read = [path = settings["path"].cast<std::string>(), load = hold(settings["load"])](
                           Network& network, Optimizer& optimizer, FitState& state) {
    return read_checkpoint(path, network, optimizer, state, [&](const CheckpointNotes& notes) {
      const WithLock acquire;
      py::dict arrays;
      for (const auto& [name, view] : notes.arrays) arrays[py::str(name)] = to_numpy(view);
      call(*load, notes.text, arrays);
    });
  };
}

FitOptions to_options(const py::dict& settings, const Session& session) {
  FitOptions options;
  options.epochs = settings["epochs"].cast<int>();
  options.batch_size = settings["batch_size"].cast<Dim>();
  options.shuffle = settings["shuffle"].cast<bool>();
  options.drop_last = settings["drop_last"].cast<bool>();
  options.seed = settings["seed"].cast<std::optional<std::uint64_t>>();
  options.threads = settings["threads"].cast<int>();
  options.check_finite = settings["check_finite"].cast<bool>();
  options.metrics = to_metrics(settings["metrics"].cast<py::list>(), session.loss);
  options.accumulate = settings["accumulate"].cast<Dim>();
  options.averages = settings["averages"].cast<std::vector<Average>>();
  options.hooks = to_hooks(settings["hooks"].cast<py::dict>());
  if (!settings["checkpoint"].is_none()) add_writer(options.checkpoint, settings["checkpoint"].cast<py::dict>());
  if (!settings["resume"].is_none()) add_reader(options.checkpoint, settings["resume"].cast<py::dict>());
  options.hooks.transform = to_transform(settings["transform"], session.taker);
  return options;
}

// Data sets from Python, and what their memory belongs to.
struct Sets {
  std::deque<Data> rows;  // which does not move them
  std::vector<DataSet> sets;
};

// Each: ((x, y, sample_weight) or a stream, losses or None, loss_weights, batch_size or 0, weight, name, metrics or
// None, transform or None).
Sets to_sets(const py::list& given, const Taker& of_all, const Loss& loss, const std::string& where,
             const std::string& what = "data set ") {
  using Fields = std::tuple<py::object, std::optional<std::vector<Loss>>, std::vector<double>, Dim, double, std::string,
                            std::optional<py::list>, py::object>;
  Sets result;
  for (const py::handle each : given) {
    const auto [rows, losses, loss_weights, batch_size, weight, name, metrics, transform] = each.cast<Fields>();
    const std::string prefix = what + (name.empty() ? std::to_string(result.sets.size()) : name) + ": ";
    Taker taker = of_all;
    if (losses) taker.form = target_form(taker.network, losses->at(0), losses->size());
    DataSet set{.batch_size = batch_size, .weight = weight, .name = name, .transform = to_transform(transform, taker)};
    if (py::isinstance<py::tuple>(rows))
      set.data = result.rows.emplace_back(taker, rows.cast<py::tuple>(), where, prefix).rows;
    else
      set.stream = to_stream(rows, taker, where);
    if (losses) set.losses.emplace(*losses, loss_weights);
    if (metrics) set.metrics = to_metrics(*metrics, losses ? losses->at(0) : loss);
    result.sets.push_back(std::move(set));
  }
  return result;
}

}  // namespace

py::dict fit(Session& session, const py::object& data, const py::object& validation, const py::dict& settings) {
  eager::change(session.network);
  FitOptions options = to_options(settings, session);
  std::optional<Data> arrays, held_out;
  std::optional<Sets> validation_sets;
  if (py::isinstance<py::list>(validation)) {
    validation_sets.emplace(
        to_sets(validation.cast<py::list>(), session.taker, session.loss, "fit", "validation set "));
    options.validation_sets = validation_sets->sets;
  } else if (py::isinstance<py::tuple>(validation)) {
    held_out.emplace(session.taker, validation.cast<py::tuple>(), "fit", "validation ");
    options.validation_data = held_out->rows;
  } else if (!validation.is_none()) {
    options.validation_stream = to_stream(validation, session.taker, "fit");
  }
  Stream stream;
  std::optional<Sets> sets;
  if (py::isinstance<py::list>(data))
    sets.emplace(to_sets(data.cast<py::list>(), session.taker, session.loss, "fit"));
  else if (py::isinstance<py::tuple>(data))
    arrays.emplace(session.taker, data.cast<py::tuple>(), "fit");
  else
    stream = to_stream(data, session.taker, "fit");
  History history;
  {
    const WithoutLock release;
    history = sets     ? session.trainer.fit(sets->sets, options)
              : arrays ? session.trainer.fit(arrays->rows, options)
                       : session.trainer.fit(stream, options);
  }
  py::dict columns;
  for (const auto& [name, values] : history.columns) columns[py::str(name)] = values;
  return columns;
}

namespace {

Logs evaluate_arrays(ObjectiveSession& session, const Data& data, const Metrics& metrics, bool check_finite) {
  data.require_castable_to(session.network.dtype(), "evaluate");
  if (check_finite) {
    for (std::size_t i = 0; i < data.rows.x.size(); ++i) require_finite(data.rows.x[i], "evaluate", "x");
    for (std::size_t i = 0; i < data.rows.y.size(); ++i) require_finite(data.rows.y[i], "evaluate", "y");
    require_finite(data.sample_weight.view, "evaluate", "sample_weight");
  }
  const WithoutLock release;
  return session.objective.evaluate(data.rows, metrics);
}

}  // namespace

py::dict evaluate(ObjectiveSession& session, const py::object& data, const py::list& metrics, bool check_finite) {
  const Metrics asked = to_metrics(metrics, session.loss);
  if (py::isinstance<py::tuple>(data))
    return logs_to_dict(
        evaluate_arrays(session, Data(session.taker, data.cast<py::tuple>(), "evaluate"), asked, check_finite));
  std::optional<Sets> sets;
  Stream stream;
  if (py::isinstance<py::list>(data))
    sets.emplace(to_sets(data.cast<py::list>(), session.taker, session.loss, "evaluate"));
  else
    stream = to_stream(data, session.taker, "evaluate");
  Logs logs;
  {
    const WithoutLock release;
    logs = sets ? session.objective.evaluate(sets->sets, asked, check_finite)
                : session.objective.evaluate(stream, asked, check_finite);
  }
  return logs_to_dict(logs);
}

}  // namespace backpass::python
