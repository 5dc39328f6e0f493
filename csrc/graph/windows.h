// Windows of pooling along one axis of an image.
#pragma once

#include "graph/op.h"

namespace backpass {

// Window i has `size` elements, `dilation` apart, from i stride - before on; or, where size is 0, the elements from
// floor(i in / out) to ceil((i + 1) in / out).
struct PoolAxis {
  Dim size = 0, stride = 1, before = 0, dilation = 1;
  Dim in = 0, out = 0;

  Dim most() const;            // elements of the largest
  Dim at(Dim i, Dim k) const;  // where the k-th element of window i is; -1 where it has none or that is padding
};

struct PoolAxes {
  PoolAxis height, width;
};
// Of one of the four ops on windows.
PoolAxes pool_axes(const Op& op, const Shape& images, const Shape& windows);

}  // namespace backpass
