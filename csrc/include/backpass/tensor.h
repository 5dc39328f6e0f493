// Tensor: a value in a graph.
#pragma once

#include <compare>

#include "backpass/types.h"

namespace backpass {

struct Op;  // what makes a tensor: kind, attributes, inputs (csrc/graph/op.h)

// A value in a graph: its shape and type are known, its elements are not. Cheap to copy, immutable.
// Every function below checks shapes as it builds and throws std::invalid_argument where they do not fit.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(std::shared_ptr<const Op> op) : op_(std::move(op)) {}

  const Shape& shape() const;
  DType dtype() const;
  const std::string& name() const;  // of an input or parameter, else empty
  std::string kind() const;         // "matmul", "relu", ...
  std::uint64_t id() const;  // the same for every handle of a tensor, and for no other
  const Op& op() const { return *op_; }
  const std::shared_ptr<const Op>& shared() const { return op_.shared(); }
  explicit operator bool() const { return static_cast<bool>(op_); }
  bool is_shared() const { return op_.shared().use_count() > 1; }  // whether another Tensor is the same
  // Whether both are the same value of the same graph; equal() compares elements.
  bool operator==(const Tensor& other) const { return op_ == other.op_; }
  auto operator<=>(const Tensor& other) const { return op_ <=> other.op_; }

 private:
  Handle<const Op, "Tensor"> op_;
};

}  // namespace backpass
