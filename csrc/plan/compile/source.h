// Where an operand really comes from: reshapes, broadcasts and constants are looked through, not computed.
#pragma once

#include <unordered_map>

#include "graph/op.h"
#include "plan/calls/program.h"

namespace backpass {

// The value that a tensor stands for, as seen from the tensor's own (rows, cols).
struct Source {
  Tensor root;                     // holds the elements; empty where `constant` is set
  Layout layout = Layout::full;    // how root covers the tensor
  std::optional<double> constant;  // every element
  View view = {};                  // of Layout::strided
};

// The two-dimensional space of a shape: all axes but the last, and the last. One axis is a column.
struct Space {
  Dim rows = 1, cols = 1;
  bool operator==(const Space&) const = default;
};

// What a product reads of an operand: elements of `from`, which lies dense in memory, so far apart along each of the
// operand's dimensions.
struct Strided {
  Tensor from;
  Shape steps;
};

// Resolves the tensors of one graph for one batch size.
class Sources {
 public:
  Sources(Dim batch, bool training) : batch_(batch), training_(training) {}

  Source of(const Tensor& t);
  Shape shape(const Tensor& t) const;  // with the batch size put in
  Space space(const Tensor& t) const;
  bool training() const { return training_; }
  Dim elements(const Tensor& t) const { return element_count(shape(t)); }
  // Of input `i` of a product: many matrices are read through a transposition, and where they are repeated.
  Strided operand(const Tensor& product, std::size_t i);
  // Random ops that no network has given a stream get one each, from the last downwards, in the order of making.
  void number_streams(const std::vector<Tensor>& order);
  std::uint32_t stream(const Op& op) const;
  // c where t is c times one other tensor of the same shape, and that tensor.
  std::optional<std::pair<double, Tensor>> scaling(const Tensor& t);

 private:
  Source resolve(const Tensor& t);
  std::optional<Shape> steps(const Tensor& t);
  bool sums_single_values(const Op& op) const;
  double counted(const Op& op) const;
  Source resolve_elementwise(const Tensor& t);
  Source resolve_reshape(const Tensor& t);
  Source resolve_broadcast(const Tensor& t);

  Dim batch_;
  bool training_;
  std::unordered_map<const Op*, Source> known_;
  std::unordered_map<const Op*, std::uint32_t> streams_;
};

}  // namespace backpass
