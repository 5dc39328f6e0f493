// What a matrix product is cut into: the block sizes that an instruction set chooses.
#pragma once

#include "kernels/isa.h"

namespace backpass::kernels {
namespace {

// rows x vectors: the register tile (mr, nr), with narrow_rows where one vector is wide enough; dot_rows x dot_cols:
// the tile of dot products; depth: kc, a multiple of every vector.
template <int rows, int vectors, int narrow_rows, int dot_rows, int dot_cols, int depth>
struct BlockSizes {
  static constexpr int kRows = rows, kVectors = vectors, kNarrowRows = narrow_rows;
  static constexpr int kDotRows = dot_rows, kDotCols = dot_cols, kDepth = depth;
};

template <class T>
struct Blocks;

}  // namespace
}  // namespace backpass::kernels
