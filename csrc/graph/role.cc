#include "graph/role.h"

namespace backpass {

Role role(const Op& op) {
  switch (op.kind) {
    case OpKind::input:
    case OpKind::parameter:
    case OpKind::state:
    case OpKind::values:
      return Role::leaf;
    case OpKind::random_keep:
    case OpKind::random_normal:
      return Role::generator;
    case OpKind::constant:
    case OpKind::count:
    case OpKind::reshape:
    case OpKind::by_mode:
    case OpKind::track:
    case OpKind::stop_gradient:
      return Role::view;
    case OpKind::elementwise:
      return Role::elementwise;
    case OpKind::softmax:
    case OpKind::below_max:
    case OpKind::center:
    case OpKind::put_label:
      return Role::row;
    case OpKind::log_sum_exp:
    case OpKind::inverse_rms:
    case OpKind::take_label:
      return Role::row_number;
    case OpKind::sum:
      return Role::sum;
    case OpKind::matmul:
      return Role::product;
    case OpKind::broadcast:
    case OpKind::transpose:
    case OpKind::slice:
    case OpKind::pad:
    case OpKind::concat:
      return Role::movement;
    case OpKind::take:
    case OpKind::scatter_add:
      return Role::lookup;
    case OpKind::host:
      return Role::host;
  }
  return Role::view;
}

Movement movement(OpKind kind) {
  switch (kind) {
    case OpKind::broadcast:
      return Movement::broadcast;
    case OpKind::transpose:
      return Movement::transpose;
    case OpKind::slice:
      return Movement::slice;
    case OpKind::pad:
      return Movement::pad;
    case OpKind::concat:
      return Movement::concat;
    case OpKind::input:
    case OpKind::parameter:
    case OpKind::state:
    case OpKind::constant:
    case OpKind::values:
    case OpKind::count:
    case OpKind::elementwise:
    case OpKind::matmul:
    case OpKind::sum:
    case OpKind::reshape:
    case OpKind::softmax:
    case OpKind::log_sum_exp:
    case OpKind::below_max:
    case OpKind::center:
    case OpKind::inverse_rms:
    case OpKind::take_label:
    case OpKind::put_label:
    case OpKind::take:
    case OpKind::scatter_add:
    case OpKind::random_keep:
    case OpKind::random_normal:
    case OpKind::by_mode:
    case OpKind::track:
    case OpKind::stop_gradient:
    case OpKind::host:
      return Movement::none;
  }
  return Movement::none;
}

}  // namespace backpass
