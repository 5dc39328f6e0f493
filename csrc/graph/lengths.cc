#include "graph/lengths.h"

#include "backpass/graph.h"

namespace backpass {

Tensor within_lengths(const Tensor& lengths, Dim steps, DType dtype) {
  return greater(expand_dims(cast(lengths, dtype), -1), arange(0, static_cast<double>(steps), 1, dtype));
}

}  // namespace backpass
