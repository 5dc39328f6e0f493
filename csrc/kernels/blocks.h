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
  // So far the same for all: mc, and the blocks that C is cut into.
  static constexpr int kPackedRows = 768, kBlockRows = 264, kBlockCols = 512, kFewRows = 120;
};

template <class T>
struct Blocks;

}  // namespace
}  // namespace backpass::kernels
