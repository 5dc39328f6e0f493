// Tensors, the operations that make them, and their derivatives.
#pragma once

#include <functional>
#include <optional>

#include "backpass/elementwise.h"
#include "backpass/reduce.h"
#include "backpass/shape_ops.h"
#include "backpass/tensor.h"

namespace backpass {

// How a parameter gets its first values. Names: "zeros", "ones", "glorot_uniform", "glorot_normal", "he_uniform",
// "he_normal", "lecun_uniform", "lecun_normal", "orthogonal", "normal" (of deviation 1); `gain` multiplies the values
// of all but the first two. Without a name the network chooses, by the activation that follows (see Dense).
struct Initializer {
  // Fills the values of a shape, by random numbers from the seed if any.
  using Fill = std::function<void(std::span<double> values, const Shape& shape, std::uint64_t seed)>;

  Initializer(std::string rule = "zeros", double factor = 1.0) : name(std::move(rule)), gain(factor) {}  // NOLINT
  Initializer(const char* rule, double factor = 1.0) : name(rule), gain(factor) {}                       // NOLINT
  Initializer(Fill own, double factor = 1.0) : name("custom"), gain(factor), fill(std::move(own)) {}     // NOLINT

  std::string name;
  double gain;
  Fill fill = {};  // in place of a name's rule
};

// Leaves. A shape may have kBatch as its first dimension.
Tensor input(Shape shape, DType dtype = DType::float32, std::string name = "x");
Tensor parameter(Shape shape, DType dtype, std::string name, Initializer initializer = {});
Tensor constant(double value, Shape shape = {}, DType dtype = DType::float32);
Tensor constant(std::vector<double> values, Shape shape, DType dtype = DType::float32);  // row-major
// A value that a network keeps beside its parameters and that is not trained; track() moves it.
Tensor state(Shape shape, DType dtype, std::string name, Initializer initializer = {});

// Elementwise, beside those of elementwise.h.
Tensor selu(const Tensor& x);                                        // elu with the scales of Klambauer et al. 2017
Tensor hardtanh(const Tensor& x, double low = -1, double high = 1);  // x within bounds; derivative at and beyond: 0
Tensor relu6(const Tensor& x);                                       // min(max(x, 0), 6); derivative at 0 and 6: 0
Tensor operator-(const Tensor& x);
// Broadcast as in NumPy.
Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);
Tensor operator+(const Tensor& a, double b);
Tensor operator-(const Tensor& a, double b);
Tensor operator*(const Tensor& a, double b);
Tensor operator/(const Tensor& a, double b);
Tensor operator+(double a, const Tensor& b);
Tensor operator-(double a, const Tensor& b);
Tensor operator*(double a, const Tensor& b);
Tensor operator/(double a, const Tensor& b);

// As in NumPy: a (..., m, k) times b (..., k, n) is (..., m, n), with leading dimensions that broadcast; of a vector a
// dimension is added and dropped again. transpose_a and transpose_b take the last two dimensions the other way round.
Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a = false, bool transpose_b = false,
              Precision precision = Precision::highest);

// x (n, c), labels int32 (n): x[i, labels[i]]; nan outside; 0 where the label is `ignore`, through which no gradient
// flows.
Tensor take_label(const Tensor& x, const Tensor& labels, std::optional<Dim> ignore = {});

// Zero with probability `rate`, else x / (1 - rate), in training; x itself otherwise (Srivastava et al. 2014, in the
// inverted form). `stream` tells dropouts apart: those of one stream drop the same elements. A network gives the
// dropouts of kNextStream streams of their own.
inline constexpr std::uint32_t kNextStream = 0xffffffff;
Tensor dropout(const Tensor& x, double rate, std::uint32_t stream = kNextStream);

// x plus normal noise of deviation `deviation` in training; x itself otherwise.
Tensor gaussian_noise(const Tensor& x, double deviation, std::uint32_t stream = kNextStream);
// Dropout that keeps mean 0 and variance 1: what is dropped takes SELU's lower limit, then all is scaled and shifted
// (Klambauer et al. 2017, section 3).
Tensor alpha_dropout(const Tensor& x, double rate, std::uint32_t stream = kNextStream);

// `training` in training, `otherwise` at other times, both of one shape and type.
Tensor by_mode(const Tensor& training, const Tensor& otherwise);
// y itself; and after each training step, of a forward by hand too, state <- state + momentum * (value - state).
Tensor track(const Tensor& y, const Tensor& state, const Tensor& value, double momentum);
// y; the loss in training of every network that computes it has the term in it: a number, or numbers whose mean is
// taken. For penalties on activations.
Tensor add_loss(const Tensor& y, const Tensor& term);

// The value of x, through which no gradient flows.
Tensor stop_gradient(const Tensor& x);

// The value of hard with the gradient of soft (Bengio et al. 2013): both of one shape and type.
Tensor straight_through(const Tensor& hard, const Tensor& soft);

// A function of whole arrays that the host program computes, between the calls of a plan: it is not fused, not shared
// between threads, and not saved. Arrays handed to it are dense and live for the call only. What it throws ends the
// call that runs the plan, and passes on.
struct HostFunction {
  std::string name;
  std::function<Array(const std::vector<ArrayView>& inputs)> forward;
  // One gradient per input, an empty Array for none; absent: not differentiable.
  std::function<std::vector<Array>(const std::vector<ArrayView>& inputs, const ArrayView& y, const ArrayView& grad)>
      backward = {};
};
// Its output, which must have this shape, and the type of the first real input.
Tensor host_call(HostFunction function, const std::vector<Tensor>& inputs, Shape shape);

// d sum(y * seed) / dx for every x, by reverse accumulation; the results are tensors and can be differentiated again.
// Without a seed y must be a scalar. An x that y does not depend on gets zeros; one that it depends on only through
// choices (comparisons, argmax, ...) is std::invalid_argument.
std::vector<Tensor> gradients(const Tensor& y, const std::vector<Tensor>& xs, const Tensor& seed = {});

// The operations between some inputs and some outputs, in the order in which they were made.
class Graph {
 public:
  Graph(std::vector<Tensor> inputs, std::vector<Tensor> outputs);

  const std::vector<Tensor>& inputs() const { return inputs_; }
  const std::vector<Tensor>& outputs() const { return outputs_; }
  const std::vector<Tensor>& ops() const { return ops_; }  // topological order, leaves included
  std::vector<Tensor> parameters() const;
  std::vector<Tensor> states() const;
  std::string to_string() const;  // one line per op
  std::string to_dot() const;     // Graphviz

 private:
  std::vector<Tensor> inputs_, outputs_, ops_;
};

// Compiles a graph without parameters for the shapes of the arguments and runs it: one array per output.
// `training` turns dropout on, with the masks of `seed` and `step`.
std::vector<Array> evaluate(const Graph& graph, const std::vector<ArrayView>& inputs, bool training = false,
                            std::uint64_t seed = 0, std::uint64_t step = 0);

}  // namespace backpass
