// Reading training data.
#include "data.h"

#include <cstring>

namespace backpass::python {

TargetForm target_form(const Network& network, const Loss& first_loss, std::size_t losses) {
  if (first_loss.joint()) return TargetForm::joint;
  const bool alone = losses == 1 && network.graph().outputs().size() == 1;
  return alone && first_loss.is_own() ? TargetForm::own : TargetForm::by_output;
}

namespace {

bool has_rows(py::handle part) {
  return (py::hasattr(part, "__array__") || py::hasattr(part, "__dlpack__")) &&
         !(py::hasattr(part, "ndim") && part.attr("ndim").cast<int>() == 0);
}

std::string name_of(py::handle key, const std::string& where) {
  if (!py::isinstance<py::str>(key) || py::len(key) == 0)
    throw py::type_error("[" + where + "] y must have names, got " + py::repr(key).cast<std::string>());
  return key.cast<std::string>();
}

}  // namespace

// Numbers in a tuple are one array; arrays in a tuple are several.
bool in_free_form(const py::handle& y, TargetForm form) {
  if (y.is_none() || py::isinstance<py::dict>(y)) return true;
  const bool listed = form == TargetForm::joint && py::isinstance<py::list>(y);
  if (!listed && !py::isinstance<py::tuple>(y)) return false;
  for (const py::handle part : y)
    if (!has_rows(part)) return false;
  return true;
}

TargetArguments targets(const py::handle& y, TargetForm form, const std::string& where, const std::string& prefix) {
  TargetArguments result;
  std::vector<ArrayView> views;
  const auto add = [&](py::handle part, std::string name, const std::string& label) {
    result.arrays.rest.push_back(argument(part, where, prefix + label));
    result.names.push_back(std::move(name));
    views.push_back(result.arrays.rest.back().view);
  };
  if (!in_free_form(y, form)) {
    result.arrays.first = argument(y, where, prefix + "y");
    result.arrays.views = result.arrays.first.view;
    return result;
  }
  if (py::isinstance<py::dict>(y)) {
    for (const auto& [key, part] : py::reinterpret_borrow<py::dict>(y)) {
      const std::string name = name_of(key, where);
      add(part, name, "y['" + name + "']");
    }
  } else if (!y.is_none()) {
    for (const py::handle part : y) add(part, "", "y[" + std::to_string(views.size()) + "]");
  }
  result.arrays.views = views;
  return result;
}

py::object in_their_form(const std::vector<py::object>& parts, const std::vector<std::string>& names) {
  if (parts.empty()) return py::none();
  if (names.empty()) return parts[0];
  py::dict by_name;
  py::list by_place;
  for (std::size_t i = 0; i < parts.size(); ++i)
    names[i].empty() ? by_place.append(parts[i]) : static_cast<void>(by_name[py::str(names[i])] = parts[i]);
  return names[0].empty() ? py::object(py::tuple(by_place)) : py::object(by_name);
}

namespace {

TargetArguments read_targets(const py::handle& y, const Taker& taker, const std::string& where,
                             const std::string& prefix) {
  if (taker.form != TargetForm::by_output) return targets(y, taker.form, where, prefix);
  return {arguments(y, taker.network.graph().outputs(), where, prefix + "y"), {}};
}

}  // namespace

Data::Data(const Taker& taker, const py::handle& x_, const py::handle& y_, const py::handle& weight,
           const std::string& where, const std::string& prefix)
    : x(arguments(x_, taker.network.graph().inputs(), where, prefix + "x")),
      y(read_targets(y_, taker, where, prefix)),
      sample_weight(optional_argument(weight, where, prefix + "sample_weight")),
      rows{std::move(x.views), std::move(y.arrays.views), sample_weight.view, std::move(y.names)} {}

Data::Data(const Taker& taker, const py::tuple& parts, const std::string& where, const std::string& prefix)
    : Data(taker, parts[0], parts[1], parts[2], where, prefix) {}

void Data::require_castable_to(DType dtype, const std::string& where) const {
  for (std::size_t i = 0; i < rows.x.size(); ++i) require_castable(rows.x[i], dtype, where, "x");
  for (std::size_t i = 0; i < rows.y.size(); ++i) require_castable(rows.y[i], dtype, where, "y");
  require_castable(sample_weight.view, dtype, where, "sample_weight");
}

namespace {

// The iterator of one epoch, and the chunk that is being read.
struct Reader {
  py::object iterator;
  std::optional<Data> chunk;

  std::optional<TrainingData> next(const Taker& taker, const std::string& where) {
    const WithLock acquire;
    chunk.reset();
    const auto item = py::reinterpret_steal<py::object>(guarded([&] { return PyIter_Next(iterator.ptr()); }));
    if (!item && PyErr_Occurred()) throw py::error_already_set();
    if (!item) return {};
    chunk.emplace(taker, item.cast<py::tuple>(), where);
    return chunk->rows;
  }
};

std::shared_ptr<Reader> begin(const Callable& chunks) {
  const WithLock acquire;
  return {new Reader{py::iter(call(*chunks)), {}}, [](Reader* reader) {
            const WithLock again;
            delete reader;
          }};
}

}  // namespace

Stream to_stream(const py::object& given, const Taker& taker, const std::string& where) {
  Stream stream;
  stream.buffer = given.attr("buffer").cast<Dim>();
  stream.prefetch = given.attr("prefetch").cast<Dim>();
  stream.chunks = [chunks = hold(given.attr("chunks")), taker, where] {
    return [reader = begin(chunks), taker, where] { return reader->next(taker, where); };
  };
  return stream;
}

namespace {

bool is_integer(ElementType type) {
  return type != ElementType::float16 && type != ElementType::bfloat16 && type != ElementType::float32 &&
         type != ElementType::float64 && type != ElementType::boolean;
}

Array copy_as(DType dtype, const Argument& given, const std::string& name) {
  require_castable(given.view, dtype, "augment", name);
  const py::array dense = call(given.owner.attr("astype"), numpy_dtype(dtype), "C");
  if (dtype == DType::int32 && !call(py::module_::import("numpy").attr("array_equal"), dense, given.owner).cast<bool>())
    throw std::invalid_argument("[augment] " + name + " must hold integers of 32 bits");
  Array array(dtype, given.view.shape);
  std::memcpy(array.data(), dense.data(), array.bytes());
  return array;
}

std::vector<Array> copies(const Arguments& given, const std::vector<Tensor>& tensors, const std::string& name) {
  std::vector<Array> arrays;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Argument& one = tensors.size() == 1 ? given.first : given.rest[i];
    const bool labels = name == "y" && one.view.shape.size() == 1 && is_integer(one.view.type);
    arrays.push_back(copy_as(labels ? DType::int32 : tensors[i].dtype(), one, name));
  }
  return arrays;
}

// Of a loss of one's own: in their form, and any types.
std::vector<Array> copies_of_targets(const Data& data, const Taker& taker) {
  const std::vector<Tensor>& outputs = taker.network.graph().outputs();
  const Arguments& given = data.y.arrays;
  const bool alone = data.rows.names.empty() && data.rows.y.size() == 1;
  if (taker.form == TargetForm::by_output || (alone && outputs.size() == 1)) return copies(given, outputs, "y");
  std::vector<Array> arrays;
  const auto add = [&](const Argument& one) {
    arrays.push_back(copy_as(is_integer(one.view.type) ? DType::int32 : outputs[0].dtype(), one, "y"));
  };
  if (alone) add(given.first);
  for (const Argument& one : given.rest) add(one);
  return arrays;
}

py::object shown(const BatchArrays& batch) {
  if (batch.y.empty() || batch.names.empty()) return batch.y.empty() ? py::none() : to_numpy(batch.y);
  std::vector<py::object> parts;
  for (const Array& array : batch.y) parts.push_back(to_numpy(array));
  return in_their_form(parts, batch.names);
}

}  // namespace

BatchTransform to_transform(const py::object& function, const Taker& taker) {
  if (function.is_none()) return {};
  return [held = hold(function), taker](BatchArrays& batch, std::uint64_t seed, std::uint64_t step) {
    const WithLock acquire;
    const py::tuple changed = call(*held, to_numpy(batch.x), shown(batch), seed, step);
    const Data data(taker, changed[0], changed[1], py::none(), "augment");
    batch = {copies(data.x, taker.network.graph().inputs(), "x"), copies_of_targets(data, taker), data.rows.names};
  };
}

}  // namespace backpass::python
