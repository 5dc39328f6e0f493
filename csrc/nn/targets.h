// Targets and sample weights as a loss takes them.
#pragma once

#include "backpass/losses.h"
#include "graph/op.h"

namespace backpass {

// Element `row` of a vector.
double element(const ArrayView& vector, Dim row);

struct Targets {
  ArrayView y;          // in the shape that the loss's tensor has
  bool labels = false;  // y holds class numbers, or integers of any kind where its form is free: int32
  Shape shape(const Loss& loss, const Shape& prediction) const {
    return labels ? without_last(prediction) : loss.target_shape(prediction);
  }
};

// What a network's outputs are compared with: one array for each, or as many as a loss of one's own takes.
struct AllTargets {
  std::vector<Targets> each = {};
  ArrayView sample_weight = {};
  bool free = false;                    // all of them belong to one loss, in any form
  std::vector<std::string> names = {};  // of these, as LossArguments have them
  bool weighted() const { return !sample_weight.empty(); }
  std::size_t size() const { return each.size(); }
  const Targets& operator[](std::size_t i) const { return each[i]; }
  // Tells forms that are free apart, by names, shapes and types: plans depend on them. 0 where they are not.
  std::uint64_t form() const { return free ? hash() : 0; }

 private:
  std::uint64_t hash() const;
};

// "y['actions']", "y[1]", or "y": how messages call a target.
std::string target_label(const std::vector<std::string>& names, std::size_t i);

// y of `rows` rows for a prediction of shape (batch, ...): (n,) is taken for (n, 1); whole numbers of any type and of
// shape (n,) or (n, 1) are labels where the loss takes them, and so is one for each position of a prediction of
// several. Throws std::invalid_argument where shapes do not fit, a label is neither in [0, classes) nor the ignored
// one, a weight is negative, not finite or out of the range of `dtype`, or a row that weighs something has a target
// outside the loss's domain. Targets that are not finite are not judged. The message ends with `whom`, a layer, where a
// shape does not fit.
Targets fit_targets(const Loss& loss, const Shape& prediction, const ArrayView& y, const ArrayView& sample_weight,
                    Dim rows, DType dtype, const std::string& whom = {});
// Any arrays of `rows` rows, for a loss of one's own. Throws std::invalid_argument where one has others, an integer
// does not fit 32 bits, or a weight is not finite or out of the range of `dtype`.
void fit_free_targets(AllTargets& targets, const ArrayViews& y, const std::vector<std::string>& names, Dim rows,
                      DType dtype);
// The tensor of such a target.
Tensor free_target(const Targets& target, DType dtype);
void check_weights(const ArrayView& sample_weight, Dim rows, DType dtype, bool may_be_negative);
// Throws std::invalid_argument where there are weights and all of them are zero.
void require_some_weight(const ArrayView& sample_weight);

}  // namespace backpass
