// The one list of what kinds of op do.
#include "graph/role.h"

namespace backpass {
namespace {

struct Work {
  Role role;
  Movement movement = Movement::none;
};

Work work_of(OpKind kind) {
  switch (kind) {
    case OpKind::input:
    case OpKind::parameter:
    case OpKind::state:
    case OpKind::values:
      return {Role::leaf};
    case OpKind::random_keep:
    case OpKind::random_normal:
      return {Role::generator};
    case OpKind::constant:
    case OpKind::count:
    case OpKind::reshape:
    case OpKind::by_mode:
    case OpKind::track:
    case OpKind::stop_gradient:
      return {Role::view};
    case OpKind::elementwise:
      return {Role::elementwise};
    case OpKind::softmax:
    case OpKind::below_max:
    case OpKind::center:
    case OpKind::put_label:
      return {Role::row};
    case OpKind::log_sum_exp:
    case OpKind::inverse_rms:
    case OpKind::take_label:
      return {Role::row_number};
    case OpKind::sum:
      return {Role::sum};
    case OpKind::matmul:
      return {Role::product};
    case OpKind::broadcast:
      return {Role::movement, Movement::broadcast};
    case OpKind::transpose:
      return {Role::movement, Movement::transpose};
    case OpKind::slice:
      return {Role::movement, Movement::slice};
    case OpKind::pad:
      return {Role::movement, Movement::pad};
    case OpKind::concat:
      return {Role::movement, Movement::concat};
    case OpKind::take:
    case OpKind::scatter_add:
      return {Role::lookup};
    case OpKind::host:
      return {Role::host};
  }
  return {Role::view};
}

}  // namespace

Role role(const Op& op) { return work_of(op.kind).role; }

Movement movement(const Op& op) { return work_of(op.kind).movement; }

}  // namespace backpass
