// What is trained on, from Python: arrays, or a stream of chunks.
#pragma once

#include "arrays.h"

namespace backpass::python {

// x, y and sample_weight of a call; `prefix` tells validation data from training data.
struct Data {
  Arguments x, y;
  Argument sample_weight;
  Data(const Network& network, const py::handle& x_, const py::handle& y_, const py::handle& weight,
       const std::string& where, const std::string& prefix = "");
  // From a tuple of the three.
  Data(const Network& network, const py::tuple& parts, const std::string& where, const std::string& prefix = "");
  TrainingData views() const { return {x.views, y.views, sample_weight.view}; }
  // fit checks this itself, where it looks for what is not finite.
  void require_castable_to(DType dtype, const std::string& where) const;
};

// Of a backpass.Stream: its chunks are asked for, one after the other, by whatever thread wants them.
Stream to_stream(const py::object& given, const Network& network, const std::string& where);

// The hook of fit for a function (x, y, seed, step) -> (x, y).
std::function<void(BatchArrays&, std::uint64_t, std::uint64_t)> to_transform(const py::object& function,
                                                                             const Network& network);

}  // namespace backpass::python
