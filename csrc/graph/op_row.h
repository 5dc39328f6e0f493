// What a kind of op is, in one row: all that the rest of the library asks of kinds.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <variant>

#include "graph/op.h"

namespace backpass {

using Grads = std::vector<Tensor>;
using Wanted = std::vector<bool>;

// What takes the place of an op's input under vmap: with the mapped axis in front, or as it was.
struct BatchedInput {
  Tensor tensor;
  bool mapped = false;
};
using BatchedInputs = std::vector<BatchedInput>;

// What kind of work it is.
enum class Role : unsigned char {
  leaf,         // has its elements before anything runs
  generator,    // random numbers
  view,         // its elements are those of another, or follow from shapes
  elementwise,  // each element from those at its place
  row,          // elements of a row from those of a row: see RowFunction
  row_number,   // a number for each row: see RowFunction
  sum,
  product,
  convolution,
  windows,    // of pooling
  linalg,     // of each matrix of an operand
  movement,   // elements of others at other places: see Move
  lookup,     // elements by indices
  axis,       // along neighbouring axes, by a call of its own
  recurrent,  // through all steps of a series, by a call that leaves several results
  update,     // of weights and their slots, by a kernel of an optimizer
  host,
};

enum class RowFunction : unsigned char {
  none,
  softmax,
  log_sum_exp,
  below_max,
  center,
  inverse_rms,
  take_label,
  put_label,
};

// How the elements of one input come to their places: for every index i below dims, that at i . a_strides + a_offset of
// the input to i . out_strides + out_offset. What no input reaches is 0.
struct Move {
  std::vector<Dim> dims, out_strides, a_strides;
  Dim out_offset = 0, a_offset = 0;
};

// An attribute: the member that holds it, and the name that it has in files.
struct OpField {
  enum class Form : unsigned char {
    required,
    optional,  // left out where it is as in a new op
    one_dim,   // of dims: there is one
    range,     // of dims: there are three or four
    sizes,     // of dims: one may be the batch
  };

  const char* name;
  std::variant<double Op::*, bool Op::*, std::uint32_t Op::*, std::string Op::*, std::vector<Dim> Op::*,
               std::optional<Dim> Op::*, std::vector<double> Op::*, Elementwise Op::*, Precision Op::*,
               Initializer Op::*>
      member;
  Form form = Form::required;
};

// A function of a row, or none. Which of the two is a constant by a flag of its own: GCC takes no function's address
// for other than null in a constant where it sanitizes (bug 71962).
template <class Signature>
class RowRule;
template <class R, class... Args>
class RowRule<R(Args...)> {
 public:
  constexpr RowRule(std::nullptr_t) {}  // NOLINT: reads as what it is
  template <std::convertible_to<R (*)(Args...)> F>
  constexpr RowRule(F function) : function_(function), given_(true) {}  // NOLINT: likewise

  constexpr explicit operator bool() const { return given_; }
  R operator()(Args... args) const { return function_(args...); }

 private:
  R (*function_)(Args...) = nullptr;
  bool given_ = false;
};

struct OpRow {
  struct Count {
    std::size_t least, most;
  };

  OpKind kind;
  const char* name;
  Role role;
  Count inputs;
  std::span<const OpField> fields;
  // See derivative(); `nothing_flows` where it has none.
  RowRule<Grads(const Tensor& y, const Tensor& grad, const Wanted& wanted)> derivative;
  // The op again, by the function that checks it, from inputs, shape, type and fields that may come from anybody; null
  // where no file has it. Throws std::invalid_argument.
  RowRule<Tensor(const Op& op)> rebuild;
  RowRule<double(const Tensor& y)> flops;  // floating-point operations, for one row of the batch
  // The op over `size` elements of a map: one input at least is mapped, and the result has the mapped axis in front; of
  // those without inputs, generators have one.
  RowRule<Tensor(const Op& op, const BatchedInputs& inputs, Dim size)> batch;
  RowFunction row = RowFunction::none;
  RowRule<std::vector<Move>(const Op& op, const std::vector<Shape>& from, const Shape& to)> move =
      nullptr;          // one per input
  bool choice = false;  // see is_choice()
};

const OpRow& row_of(OpKind kind);
std::span<const OpRow> op_rows();  // in the order of kinds
inline const OpRow& row_of(const Op& op) { return row_of(op.kind); }
inline Role role(const Op& op) { return row_of(op).role; }
// Of a weight, or by one.
inline bool is_product(const Op& op) { return role(op) == Role::product || role(op) == Role::convolution; }

double elements_per_row(const Tensor& t);  // how many it has for one row of the batch

}  // namespace backpass
