// The derivative rule of each kind of op; each stands beside the shape rule in the file of its family.
#pragma once

#include "graph/op.h"

namespace backpass {

using Grads = std::vector<Tensor>;
using Wanted = std::vector<bool>;

Grads matmul_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);  // matmul.cc
Grads sum_derivative(const Tensor& y, const Tensor& g);                           // reduce.cc
Grads broadcast_derivative(const Tensor& y, const Tensor& g);                     // reduce.cc
Grads reshape_derivative(const Tensor& y, const Tensor& g);                       // layout.cc
Grads transpose_derivative(const Tensor& y, const Tensor& g);                     // layout.cc
Grads slice_derivative(const Tensor& y, const Tensor& g);                         // layout.cc
Grads pad_derivative(const Tensor& y, const Tensor& g);                           // layout.cc
Grads concat_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted);  // layout.cc
Grads softmax_derivative(const Tensor& y, const Tensor& g);                       // rows.cc
Grads log_sum_exp_derivative(const Tensor& y, const Tensor& g);                   // rows.cc
Grads below_max_derivative(const Tensor& y, const Tensor& g);                     // rows.cc
Grads center_derivative(const Tensor& y, const Tensor& g);                        // rows.cc
Grads inverse_rms_derivative(const Tensor& y, const Tensor& g);                   // rows.cc
Grads take_label_derivative(const Tensor& y, const Tensor& g);                    // rows.cc
Grads put_label_derivative(const Tensor& y, const Tensor& g);                     // rows.cc
Grads take_derivative(const Tensor& y, const Tensor& g);                          // take.cc
Grads scatter_add_derivative(const Tensor& y, const Tensor& g);                   // take.cc
Grads by_mode_derivative(const Tensor& y, const Tensor& g);                       // mode.cc
Grads track_derivative(const Tensor& y, const Tensor& g);                         // mode.cc

// Axes as ascending non-negative numbers; throws where one is out of range or named twice.
std::vector<Dim> normalize_axes(const char* who, const Tensor& x, std::vector<Dim> axes);

std::vector<Tensor> host_derivative(const Tensor& y, const Tensor& g, const std::vector<bool>& wanted);

}  // namespace backpass
