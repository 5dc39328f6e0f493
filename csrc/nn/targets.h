// Targets and sample weights as a loss takes them.
#pragma once

#include "backpass/losses.h"

namespace backpass {

// Element `row` of a vector.
double element(const ArrayView& vector, Dim row);

struct Targets {
  ArrayView y, sample_weight;  // in the shapes that the loss's tensors have
  bool labels = false;         // y holds class numbers
  bool weighted() const { return !sample_weight.empty(); }
  Shape shape(const Loss& loss, const Shape& prediction) const {
    return labels ? Shape{kBatch} : loss.target_shape(prediction);
  }
};

// y of `rows` rows for a prediction of shape (batch, ...): (n,) is taken for (n, 1); whole numbers of any type and of
// shape (n,) or (n, 1) are labels where the loss takes them. Throws std::invalid_argument where shapes do not fit, a
// label is neither in [0, classes) nor the ignored one, a weight is negative, not finite or out of the range of
// `dtype`, or a row that weighs something has a target outside the loss's domain. Targets that are not finite are not
// judged.
// The message ends with `whom`, a layer, where a shape does not fit.
Targets fit_targets(const Loss& loss, const Shape& prediction, const ArrayView& y, const ArrayView& sample_weight,
                    Dim rows, DType dtype, const std::string& whom = {});
// Throws std::invalid_argument where there are weights and all of them are zero.
void require_some_weight(const ArrayView& sample_weight);

}  // namespace backpass
