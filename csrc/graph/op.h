// Op: one operation of a graph, and the tensor that it makes.
#pragma once

#include <limits>

#include "backpass/transforms.h"

namespace backpass {

enum class OpKind : unsigned char {
  input,        // name
  parameter,    // name, initializer
  state,        // name, initializer: kept with the parameters, not trained
  constant,     // alpha: the value of every element
  values,       // values: a constant with elements of its own
  count,        // () : how many elements of input 0 are summed into one: the product of the dimensions `dims`; training
                // with fewer than alpha is an error of `name`
  elementwise,  // fn, alpha; inputs of one shape
  matmul,       // transpose_a, transpose_b, precision: rows times a matrix, or a sum over rows
  batch_matmul,      // transpose_a, transpose_b, precision: a matrix for each leading index, broadcast
  conv,              // dims: of Convolution. inputs: x (n, h, w, c), weight (o, kh, kw, c / groups)
  conv_transpose,    // dims; inputs: y, weight; to the shape of x: the derivative of conv by x
  conv_weight,       // dims; inputs: x, y; to the shape of the weight: the derivative of conv by the weight
  window_sum,        // dims: of PoolAxis, twice. Sums over windows of images
  window_spread,     // dims: its derivative, to the shape of the images
  window_take,       // dims; inputs: value, x: of each window the element of value that stands where x is greatest
  window_put,        // dims; inputs: value, x: to the shape of x: its derivative
  cholesky,          // () : of (..., n, n), as all of these
  triangular_solve,  // transpose_a, lower, unit; inputs: a (..., n, n), b (..., n, k)
  solve,             // transpose_a; inputs likewise
  inv,
  det,
  det_sign,
  log_abs_det,
  eigh,       // (..., 1 + n, n): the eigenvalues of symmetric matrices, and below them their vectors as columns
  qr,         // Q of a = Q R, of (..., m, n) with m >= n
  sum,        // dims: the axes, ascending and not negative; keepdims
  broadcast,  // to shape
  reshape,    // to shape
  transpose,  // dims: the permutation
  slice,      // dims: axis, begin, end and, where it is not 1, step
  pad,        // dims: as of slice: input 0 within zeros; the derivative of slice
  flip,       // dims: the axes
  concat,     // dims: axis
  softmax,
  log_sum_exp,
  below_max,       // x less the greatest of its row
  center,          // x less the mean of its row
  inverse_rms,     // 1 / sqrt(mean of x^2 over a row + alpha)
  take_label,      // inputs: x (n, c), labels (n); ignore: the label that gives 0
  put_label,       // inputs: value (n), labels (n); ignore; to shape (n, c): the derivative of take_label
  take,            // inputs: table (n, ...), indices; ignore: the index that gives zeros; name: who says so
  scatter_add,     // inputs: value, indices; ignore, name; to shape (n, ...): the derivative of take
  gather,          // inputs: x, indices along neighbouring axes; dims: the first of them, rank of the indices; name
  gather_add,      // inputs: value, indices; dims, name; to shape: the derivative of gather
  max,             // dims: neighbouring axes
  prod,            // dims: likewise
  argmax,          // dims: likewise. int32, where in them as one axis
  argsort,         // dims: axis; reverse: the greatest first. int32
  recurrence,      // inputs: x, a or none: y = x + a (the y before), along dims: axis; reverse: from the end. a is 1
  recurrent,       // dims: RecurrentPart; name: cell; reverse. inputs: see RecurrentInputs (graph/recurrent.h)
  recurrent_grad,  // dims: RecurrentGrad, RecurrentPart; likewise, and see RecurrentKept: its derivative
  random_keep,     // alpha: rate; stream. 1 / (1 - rate) or 0 in training, 1 otherwise
  random_normal,   // stream, always. Of mean 0 and deviation 1 in training, 0 otherwise
  random_uniform,  // stream, always. Within 0 and 1
  by_mode,         // input 0 in training, input 1 otherwise
  track,           // inputs: y, state, value; alpha: momentum. y; a training step moves the state towards the value
  stop_gradient,
  add_loss,  // inputs: y, term. y; the loss of a network in training has the term in it
  custom,    // inputs: y, xs; custom: y, of which the gradient goes to xs by a rule
  after,     // inputs: x, y. A copy of x, made when y is there
  update,    // update, dims: which; inputs: see UpdateStep. The new weight, or a new slot
  host,      // host: computed by the host program. The last one
};

const char* name(OpKind kind);

struct LayerUse;
struct UpdateStep;  // graph/update.h
struct Recorded;    // graph/recorded.h
struct Home;        // nn/home.h

// Who a parameter or state is, and where it lives: nowhere until a network gives it its first values. Copies of the op
// in other graphs share it, and so its values.
struct Residence {
  std::shared_ptr<Home> home = nullptr;
  Dim offset = 0;           // elements
  std::uint64_t layer = 0;  // whose it is; 0: nobody's
  std::string name = {};    // within that layer: "weight"
};

struct Op {
  OpKind kind = OpKind::input;
  std::vector<Tensor> inputs = {};
  Shape shape = {};
  DType dtype = DType::float32;
  Elementwise fn = Elementwise::copy;
  double alpha = 0;
  std::vector<Dim> dims = {};
  std::optional<Dim> ignore = {};
  std::vector<double> values = {};
  bool keepdims = false;
  bool derived = false;             // made by a derivative rule: none of the user's choices
  bool sparse = false;              // of a parameter: its gradient is kept by rows
  bool lower = true, unit = false;  // of a triangle: which, and whether ones are on its diagonal
  bool reverse = false;
  bool always = false;  // of random numbers, and of `count`: as in training at other times too
  bool transpose_a = false, transpose_b = false;
  Precision precision = Precision::highest;
  std::uint32_t stream = 0;
  std::string name = {};
  Initializer initializer = {};
  std::shared_ptr<const HostFunction> host = nullptr;
  std::shared_ptr<const GradientRule> custom = nullptr;
  std::shared_ptr<const UpdateStep> update = nullptr;
  std::shared_ptr<Residence> residence = nullptr;   // of a parameter or state
  std::shared_ptr<const LayerUse> layer = nullptr;  // of a layer's output: which call of which layer made it
  std::uint64_t id = 0;                             // order of making; an op's inputs have smaller ones
  const Op* next_dead = nullptr;                    // of those that nobody holds any more
  std::shared_ptr<Recorded> recorded = nullptr;     // of a tensor that has a value, or follows from some
  bool open = false;                                // it needs what is given when a graph runs
};

// One call of a layer on tensors. A network names its parameters and describes itself by these.
struct LayerUse {
  std::uint64_t layer = 0;   // who: every layer has a number of its own
  std::uint64_t call = 0;    // when: calls count up
  std::uint64_t parent = 0;  // the call that this one is part of; 0: none
  std::string name = {};     // within the parent; empty: its number there
  Description description = {};
  std::vector<Tensor> inputs = {};
  Tensor z = {};  // what goes into its activation; empty: the output itself
};

// Checks the number of elements alone: the functions of graph.h do the rest. Gives the op its id.
Tensor make_tensor(Op op);

// What op's inputs get when its output gets `grad`: one tensor per input, an empty one where nothing flows.
// One rule per kind (and per elementwise function); `wanted` says for which inputs it is needed.
std::vector<Tensor> derivative(const Tensor& y, const Tensor& grad, const std::vector<bool>& wanted);

// Whether an op of the user's takes a decision through which no gradient flows.
bool is_choice(const Op& op);

// While it lives, the ops that this thread makes are derived.
class Deriving {
 public:
  Deriving();
  ~Deriving();
  Deriving(const Deriving&) = delete;
  Deriving& operator=(const Deriving&) = delete;

 private:
  bool before_;
};

// gradients() of several outputs at once, each with its seed.
std::vector<Tensor> gradients_of_all(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                                     const std::vector<Tensor>& seeds);

// selu(x) = scale elu(x, alpha) (Klambauer et al. 2017).
inline constexpr double kSeluAlpha = 1.6732632423543772848, kSeluScale = 1.0507009873554804934;

inline double least_normal(DType dtype) {
  return dtype == DType::float64 ? std::numeric_limits<double>::min() : std::numeric_limits<float>::min();
}

// Building blocks that graph.h does not offer.
// x where keep > 0, else 0, whatever x is there; so is the gradient. Both of one shape.
Tensor where_positive(const Tensor& x, const Tensor& keep);
Tensor log_cosh(const Tensor& x);
// Along the last axis. The maximum counts as a constant: for functions that a shift of x does not change.
Tensor below_max(const Tensor& x);
Tensor center(const Tensor& x);                   // x - mean(x)
Tensor inverse_rms(const Tensor& x, double eps);  // 1 / sqrt(mean(x^2) + eps); drops the axis
Tensor after(const Tensor& x, const Tensor& y);   // x, copied when y is there: for what shall not be made before
// How many elements a mean over axes of x has; training with fewer than `least` is an error of `who`.
Tensor count(const Tensor& x, const std::vector<Dim>& axes, double least = 0, std::string who = {});
Tensor put_label(const Tensor& value, const Tensor& labels, Shape shape, std::optional<Dim> ignore = {});
Tensor scatter_add(const Tensor& value, const Tensor& indices, Shape shape, std::optional<Dim> ignore, std::string who);
// index_axes() that says in errors who it is for.
Tensor indexed(const char* who, const Tensor& x, const std::vector<Tensor>& indices, Dim axis);
// Rows of a table, by indices that are not negative; says in errors who it is for.
Tensor take_for(std::string who, const Tensor& table, const Tensor& indices, std::optional<Dim> ignore);
// The products of dense layers. a (..., k) times b (k, n), or (n, k) where it is transposed: (..., n).
Tensor rows_times_matrix(const Tensor& a, const Tensor& b, bool transpose_b, Precision precision);
// The sum over all leading dimensions of the outer products of a (..., m) and b (..., n): (m, n).
Tensor contract_rows(const Tensor& a, const Tensor& b, Precision precision = Precision::highest);
// What matmul() makes where neither is enough.
Tensor batch_matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b, Precision precision);
// Of linalg.h, with matrices of right-hand sides.
Tensor solve_triangle(const Tensor& a, const Tensor& b, bool transpose_a, bool lower, bool unit);
Tensor solve_square(const Tensor& a, const Tensor& b, bool transpose_a);
Tensor det_sign(const Tensor& a);
Shape check_square(const char* who, const Tensor& a);  // a (..., n, n): its leading dimensions
Tensor transposed(const Tensor& x);                    // its last two axes
Tensor eigen(const Tensor& a);                         // see OpKind::eigh
Tensor orthonormal(const Tensor& a);                   // see OpKind::qr
Tensor log_abs_det(const Tensor& a);
Tensor pad(const Tensor& x, Dim axis, Dim begin, Dim end, Shape shape, Dim step = 1);

// A shape with so many rows.
inline Shape with_rows(Shape shape, Dim rows) {
  shape[0] = rows;
  return shape;
}
inline Shape without_last(const Shape& shape) { return Shape(shape.begin(), shape.end() - 1); }

}  // namespace backpass
