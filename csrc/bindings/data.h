// What is trained on, from Python: arrays, or a stream of chunks.
#pragma once

#include "arrays.h"

namespace backpass::python {

// Who takes targets: one array for each output, or a single loss of one's own that takes dicts and tuples of arrays,
// or none.
enum class TargetForm { by_output, own, joint };
TargetForm target_form(const Network& network, const Loss& first_loss, std::size_t losses);

// The targets of a call, of a loss of one's own.
struct TargetArguments {
  Arguments arrays;
  std::vector<std::string> names;  // see TrainingData
};
TargetArguments targets(const py::handle& y, TargetForm form, const std::string& where, const std::string& prefix = "");
bool in_free_form(const py::handle& y, TargetForm form);  // whether these are not one array: a dict, a tuple, or None
// What a loss of one's own is shown: a dict, a tuple, one alone, or None.
py::object in_their_form(const std::vector<py::object>& parts, const std::vector<std::string>& names);

// The network that rows are for, and how its targets come.
struct Taker {
  Network network;
  TargetForm form;
};

// x, y and sample_weight of a call; `prefix` tells validation data from training data.
struct Data {
  Arguments x;  // whose memory is viewed
  TargetArguments y;
  Argument sample_weight;
  Data(const Taker& taker, const py::handle& x_, const py::handle& y_, const py::handle& weight,
       const std::string& where, const std::string& prefix = "");
  // From a tuple of the three.
  Data(const Taker& taker, const py::tuple& parts, const std::string& where, const std::string& prefix = "");
  TrainingData rows;  // views of these, moved there: a step copies nothing
  // fit checks this itself, where it looks for what is not finite.
  void require_castable_to(DType dtype, const std::string& where) const;
};

// Of a backpass.Stream: its chunks are asked for, one after the other, by whatever thread wants them.
Stream to_stream(const py::object& given, const Taker& taker, const std::string& where);

// The hook of fit for a function (x, y, seed, step) -> (x, y).
BatchTransform to_transform(const py::object& function, const Taker& taker);

}  // namespace backpass::python
