// Reading training data.
#include "data.h"

#include <cstring>

namespace backpass::python {

Data::Data(const Network& network, const py::handle& x_, const py::handle& y_, const py::handle& weight,
           const std::string& where, const std::string& prefix)
    : x(arguments(x_, network.graph().inputs(), where, prefix + "x")),
      y(arguments(y_, network.graph().outputs(), where, prefix + "y")),
      sample_weight(optional_argument(weight, where, prefix + "sample_weight")) {}

Data::Data(const Network& network, const py::tuple& parts, const std::string& where, const std::string& prefix)
    : Data(network, parts[0], parts[1], parts[2], where, prefix) {}

void Data::require_castable_to(DType dtype, const std::string& where) const {
  require_castable(x, dtype, where, "x");
  require_castable(y, dtype, where, "y");
  require_castable(sample_weight.view, dtype, where, "sample_weight");
}

namespace {

// The iterator of one epoch, and the chunk that is being read.
struct Reader {
  py::object iterator;
  std::optional<Data> chunk;

  std::optional<TrainingData> next(const Network& network, const std::string& where) {
    const WithLock acquire;
    chunk.reset();
    const auto item = py::reinterpret_steal<py::object>(guarded([&] { return PyIter_Next(iterator.ptr()); }));
    if (!item && PyErr_Occurred()) throw py::error_already_set();
    if (!item) return {};
    chunk.emplace(network, item.cast<py::tuple>(), where);
    return chunk->views();
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

Stream to_stream(const py::object& given, const Network& network, const std::string& where) {
  Stream stream;
  stream.buffer = given.attr("buffer").cast<Dim>();
  stream.prefetch = given.attr("prefetch").cast<Dim>();
  stream.chunks = [chunks = hold(given.attr("chunks")), network, where] {
    return [reader = begin(chunks), network, where] { return reader->next(network, where); };
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

}  // namespace

std::function<void(BatchArrays&, std::uint64_t, std::uint64_t)> to_transform(const py::object& function,
                                                                             const Network& network) {
  if (function.is_none()) return {};
  return [held = hold(function), network](BatchArrays& batch, std::uint64_t seed, std::uint64_t step) {
    const WithLock acquire;
    const py::tuple changed = call(*held, to_numpy(batch.x), to_numpy(batch.y), seed, step);
    const Data data(network, changed[0], changed[1], py::none(), "augment");
    batch = {copies(data.x, network.graph().inputs(), "x"), copies(data.y, network.graph().outputs(), "y")};
  };
}

}  // namespace backpass::python
