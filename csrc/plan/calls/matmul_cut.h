// How a product is cut into blocks: a function of shapes and strides alone.
#pragma once

#include "kernels/table.h"
#include "plan/calls/calls.h"

namespace backpass {

// A longer inner dimension is summed in chunks that are added in double: the error does not grow with the rows of a
// batch.
inline constexpr Dim kChunk = 4096;
// Over more rows than kManyRows, float32 is summed in chunks so short that the sum is right to 1e-6 even where rows are
// all alike, and every addition rounds the same way; over fewer, time counts for more.
inline constexpr Dim kManyRows = 262144, kShortChunk = 64;

// How many tasks so much work is worth.
Dim wanted_tasks(double flops);

struct BlockCut {
  Dim rows, cols;  // of a block
  Dim down, across;
  kernels::MatmulPath path = kernels::MatmulPath::dot;
  Dim products = 1;  // that a task computes one after the other; where it is more than one, a block is a product

  Dim tasks(const MatmulSpec& s) const { return std::max<Dim>(1, ceil_div(s.products(), products) * down * across); }
};

template <class T>
BlockCut cut_blocks(const kernels::Kernels<T>& k, const MatmulSpec& s);

// How many of the inner dimension one call of the kernel sums at most.
template <class T>
Dim matmul_depth(const MatmulSpec& s, LaneCut lane_cut);

}  // namespace backpass
