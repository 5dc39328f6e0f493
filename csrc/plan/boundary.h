// Arrays at the boundary of plans.
#pragma once

#include "plan/plan.h"

namespace backpass {

RowSource row_source(const ArrayView& view);
// Throws std::invalid_argument `[who] expected shape ..., got ..., for ...`; the number of rows.
// Throws where a view has a shape that holds something, and no memory.
void check_present(const std::string& who, const ArrayView& view);
Dim check_shape(const std::string& who, const ArrayView& view, const Shape& expected, const std::string& whom = {});
// Throws std::invalid_argument where a number would not stay what it is: too large for float32 or int32, a fraction.
void check_castable(const std::string& who, const ArrayView& view, DType dtype);

// A graph evaluated once, over parameters that lie somewhere.
struct GraphEvaluation {
  std::unordered_map<const Op*, Place> places;  // of the parameters, in slot kParameters
  std::byte* parameters = nullptr;
  std::uint64_t seed = 0, step = 0;
  bool training = true;
};
std::vector<Array> evaluate_over(const Graph& graph, const std::vector<ArrayView>& inputs, const GraphEvaluation& over);

}  // namespace backpass
