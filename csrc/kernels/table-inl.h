// The table of one instruction set, from the kernels compiled for it.
#pragma once

#include "kernels/add_scaled-inl.h"
#include "kernels/elementwise-inl.h"
#include "kernels/matmul-inl.h"
#include "kernels/narrow-inl.h"
#include "kernels/norm-inl.h"
#include "kernels/pool-inl.h"
#include "kernels/random-inl.h"
#include "kernels/update-inl.h"
#include "kernels/window-inl.h"

namespace backpass::kernels {
namespace {

template <class T>
constexpr Kernels<T> make_table() {
  Kernels<T> kernels{};
  kernels.mr = Blocks<T>::kRows;
  kernels.nr = Blocks<T>::kVectors * Vec<T>::kLanes;
  kernels.kc = Blocks<T>::kDepth;
  kernels.mc = Blocks<T>::kPackedRows;
  kernels.dot_rows = Blocks<T>::kDotRows;
  kernels.dot_cols = Blocks<T>::kDotCols;
  kernels.block_rows = Blocks<T>::kBlockRows;
  kernels.block_cols = Blocks<T>::kBlockCols;
  kernels.few_rows = Blocks<T>::kFewRows;
  kernels.vector = Vec<T>::kLanes;
  kernels.matmul = &matmul<T>;
  kernels.pack_a = &pack_a<T>;
  kernels.window_product = &window_product<T>;
  kernels.pack_runs = &pack_runs<T>;
  fill_elementwise(kernels);
  kernels.softmax = &softmax<T>;
  kernels.center = &center<T>;
  kernels.inverse_rms = &inverse_rms<T>;
  kernels.pick_greatest = &pick_greatest<T>;
  kernels.take_picked = &take_picked<T>;
  kernels.add_picked = &add_picked<T>;
  kernels.row_sum = &row_sum<T>;
  kernels.row_max = &row_max<T>;
  kernels.broadcast_column = &broadcast_column<T>;
  kernels.fill = &fill<T>;
  kernels.column_sum = &column_sum<false, T>;
  kernels.column_sum_shifted = &column_sum<true, T>;
  kernels.sum = &total<T>;
  kernels.take_label = &take_label<T>;
  kernels.put_label = &put_label<T>;
  kernels.random_keep = &random_keep<T>;
  kernels.random_normal = &random_normal<T>;
  kernels.random_uniform = &random_uniform<T>;
  kernels.gather_rows = &gather_rows<T>;
  kernels.transpose = &transpose_kernel<T>;
  kernels.add_scaled = &add_scaled;
  fill_updates(kernels);
  kernels.sum_is_finite = &sum_is_finite<T>;
  kernels.sum_of_squares = &sum_of_squares<T>;
  kernels.clamp = &clamp<T>;
  kernels.narrow = &narrow<T>;
  kernels.widen = &widen<T>;
  kernels.narrow_int8 = &narrow_int8<T>;
  kernels.widen_int8 = &widen_int8<T>;
  return kernels;
}

constexpr Tables kTables = {make_table<float>(), make_table<double>()};

}  // namespace
}  // namespace backpass::kernels
