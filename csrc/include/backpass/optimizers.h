// Optimizers: how parameters follow their gradients.
#pragma once

#include <stdexcept>

#include "backpass/network.h"
#include "backpass/schedules.h"

namespace backpass {

// w <- w - learning_rate * g; with momentum the gradient is replaced by a velocity (PyTorch's form: v <- momentum v +
// (1 - dampening) g, the first gradient undampened), with nesterov by g + momentum v (Sutskever et al. 2013).
struct SGD {
  double learning_rate = 1e-2;
  double momentum = 0.0;
  bool nesterov = false;
  double weight_decay = 0.0;  // coupled: g + weight_decay * w
  double dampening = 0.0;

  std::string type() const { return "SGD"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
};

// Kingma and Ba 2015, algorithm 1; weight_decay is coupled (added to the gradient). amsgrad divides by the largest
// second moment so far (Reddi et al. 2018). epsilon_hat adds eps to sqrt(v) before it is corrected, as at the end of
// section 2 there, in Keras and in scikit-learn.
struct Adam {
  double learning_rate = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.0;
  bool amsgrad = false;
  bool epsilon_hat = false;

  std::string type() const { return "Adam"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
};

// The same with the decay decoupled (Loshchilov and Hutter 2019): w <- (1 - learning_rate * weight_decay) w, then Adam.
struct AdamW {
  double learning_rate = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 1e-2;
  bool amsgrad = false;

  std::string type() const { return "AdamW"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
};

// Adam that looks ahead along its momentum (Dozat 2016), in PyTorch's form: the momentum of step t is
// beta1 (1 - 0.96^(t momentum_decay) / 2).
struct NAdam {
  double learning_rate = 2e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.0;  // coupled
  double momentum_decay = 4e-3;

  std::string type() const { return "NAdam"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
};

// Adam whose first steps, while the second moment says too little, go without it (Liu et al. 2020).
struct RAdam {
  double learning_rate = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.0;  // coupled

  std::string type() const { return "RAdam"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
};

// Adam by the decayed maximum of |g| (Kingma and Ba 2015, algorithm 2).
struct Adamax {
  double learning_rate = 2e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.0;  // coupled

  std::string type() const { return "Adamax"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
};

// Tieleman and Hinton 2012, in PyTorch's form: v <- alpha v + (1 - alpha) g^2; w <- w - learning_rate * g / (sqrt(v) +
// eps). With momentum the quotient is replaced by a velocity, as in SGD; centered subtracts the square of the mean
// gradient from v (Graves 2013).
struct RMSprop {
  double learning_rate = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double momentum = 0.0;
  double weight_decay = 0.0;  // coupled
  bool centered = false;

  std::string type() const { return "RMSprop"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
};

// Duchi et al. 2011: s <- s + g^2; w <- w - learning_rate / (1 + (t - 1) learning_rate_decay) * g / (sqrt(s) + eps).
struct Adagrad {
  double learning_rate = 1e-2;
  double learning_rate_decay = 0.0;
  double weight_decay = 0.0;  // coupled
  double initial_accumulator_value = 0.0;
  double eps = 1e-10;

  std::string type() const { return "Adagrad"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
};

// Zeiler 2012: v <- rho v + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(v + eps) * g; u <- rho u + (1 - rho) d^2;
// w <- w - learning_rate * d.
struct Adadelta {
  double learning_rate = 1.0;
  double rho = 0.9;
  double eps = 1e-6;
  double weight_decay = 0.0;  // coupled

  std::string type() const { return "Adadelta"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
};

// Chen et al. 2023: w <- (1 - learning_rate * weight_decay) w - learning_rate * sign(beta1 m + (1 - beta1) g);
// m <- beta2 m + (1 - beta2) g.
struct Lion {
  double learning_rate = 1e-4;
  std::pair<double, double> betas = {0.9, 0.99};
  double weight_decay = 0.0;  // decoupled

  std::string type() const { return "Lion"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
};

// Matrices move along the orthogonal factor of their momentum, found by Newton and Schulz's iteration (Jordan et al.
// 2024, in PyTorch's form): b <- momentum b + (1 - momentum) g; o = orthogonal factor of b, or with nesterov of
// (1 - momentum) g + momentum b; w <- (1 - learning_rate * weight_decay) w - learning_rate * scale * o. scale is
// sqrt(max(1, rows / columns)), or with adjust "match_rms_adamw" 0.2 sqrt(max(rows, columns)) (Liu et al. 2025). All
// other parameters take AdamW with betas and eps. Takes no clipping.
struct Muon {
  double learning_rate = 1e-3;
  double momentum = 0.95;
  bool nesterov = true;
  double weight_decay = 0.1;
  std::int64_t steps = 5;  // of the iteration
  std::string adjust = "original";
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;

  std::string type() const { return "Muon"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
};

// L-BFGS (Nocedal and Wright 2006, chapter 7; line search by More and Thuente 1994): minimises the loss over all rows,
// by the gradients of the last `history_size` iterations. For fit alone, of which an epoch is an iteration of at most
// `max_line_search` evaluations of loss and gradient; its "loss" is the one that the iteration ended with. A fit ends
// early where the largest element of the gradient is at most `tolerance`, or the loss fell by at most tolerance_change
// * max(|loss|, 1); the next one begins anew. batch_size and shuffle have no meaning, random numbers stay the same, and
// there is no learning rate (it counts as 1). A trial whose loss or gradient is not finite is followed by one nearer
// by. Takes no options of Optimizer or Trainer but threads, and in fit no stream, running statistics, averages, hooks
// by batch, augmentation, accumulation or checkpoints.
struct LBFGS {
  std::int64_t history_size = 10;
  std::int64_t max_line_search = 20;
  double tolerance = 1e-8;
  double tolerance_change = 1e-12;

  std::string type() const { return "LBFGS"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
};

// All of these, and what they are called.
using OptimizerTypes = Types<SGD, Adam, AdamW, NAdam, RAdam, Adamax, RMSprop, Adagrad, Adadelta, Lion, Muon, LBFGS>;
std::vector<std::string> optimizer_types();

// Settings of their own for the parameters whose names match: '*' stands for anything, '?' for one character.
struct Group {
  std::string pattern;  // "*.bias"
  std::optional<double> learning_rate = {}, weight_decay = {};
};

// Which parameters weight decay takes hold of: all, or those of two dimensions and more (no biases, no
// normalisation).
enum class Decay { all, matrices };

// What every optimizer can do. A gradient that is not finite updates nothing, nor does a step that would leave a
// parameter or the optimizer's state other than finite.
struct OptimizerOptions {
  std::optional<double> clip_norm = {};   // at most this Euclidean norm of all gradients together (Pascanu et al. 2013)
  std::optional<double> clip_value = {};  // before that: every element within [-clip_value, clip_value]
  // The first that matches. Its learning_rate is kept as a ratio to the optimizer's, and follows it; its weight_decay
  // holds for all its parameters.
  std::vector<Group> groups = {};
  Decay decay = Decay::all;
  Schedule schedule = ConstantRate{};  // of the learning rate
  // Of the weight decay, that of groups too. For optimizers of ours; a decay that is added to the gradient has no place
  // in apply then.
  Schedule decay_schedule = ConstantRate{};
};

// What steps leave behind: copies, by name of the array of state ("exp_avg") and of the parameter.
struct OptimizerState {
  std::string type;
  std::int64_t steps = 0;
  double learning_rate = 0;
  std::int64_t epochs = 0;
  std::map<std::string, std::map<std::string, Array>> slots = {};
};

// Optimizer::step found that the gradient is not finite, or that a parameter or its state would not be: nothing was
// changed.
class NotFiniteError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// What a rule of one's own reads of one parameter.
struct UpdateInputs {
  Tensor weight, grad;         // of the parameter's shape and name; weight decay is added to the gradient already
  std::vector<Tensor> slots;   // of that shape
  Tensor learning_rate, step;  // scalars: the rate of this step, and its number from 1
};

// An optimizer of one's own, composed of operations. `update` is called for each parameter when the update of a network
// is compiled, and gives the new weight and behind it the new slots: tensors of the parameter's shape. A step whose
// gradient is not finite, or whose weights or slots would not be, changes nothing. Without `update` it only counts
// steps and keeps slots, for whoever updates by hand.
struct ComposedOptimizer {
  std::string name;  // its type()
  double learning_rate = 1e-3;
  std::vector<std::string> slots = {};  // names of the arrays of state, each as large as the parameters; zero at first
  std::function<std::vector<Tensor>(const UpdateInputs&)> update = {};
  double weight_decay = 0.0;  // coupled
  Attributes settings = {};   // others: what a checkpoint compares
};

// What a step as operations takes, and gives anew: weights, the arrays of state by slot and then by weight, and how
// many steps were made, int32 ().
struct StepTensors {
  std::vector<Tensor> weights;
  std::vector<std::vector<Tensor>> slots;
  Tensor steps;
};

// A rule and its state; a shared handle. It binds to the first network that it steps; a second one throws
// std::invalid_argument. Settings out of range throw std::invalid_argument here.
class Optimizer {
 public:
  // From a description such as Adam.
  template <class D>
  requires(!std::is_same_v<D, Optimizer>) && requires(const D& d) { Description{d.type(), d.attributes()}; }
  Optimizer(const D& description, OptimizerOptions options = {})  // NOLINT: descriptions convert
      : Optimizer(Description{description.type(), description.attributes()}, std::move(options)) {}
  explicit Optimizer(const Description& description, OptimizerOptions options = {});
  // Throws std::invalid_argument where two slots have one name.
  explicit Optimizer(ComposedOptimizer own, OptimizerOptions options = {});

  std::string type() const;
  Attributes attributes() const;
  double learning_rate() const;
  void set_learning_rate(double value);
  bool makes_steps() const;              // LBFGS makes none: it runs a whole fit
  std::int64_t steps() const;            // taken so far
  double current_learning_rate() const;  // of the next step: learning_rate times the factor of its schedule

  // Updates the network's parameters from its gradient buffer, which is clipped in place where the options say so.
  // Throws std::invalid_argument where a pattern matches no parameter, and NotFiniteError; nothing has changed then.
  void step(Network& network);
  // Tells that a step has been made by hand: binds to the network and counts it.
  void count_step(Network& network);
  // A slot of the network that it steps, which it binds to: n_parameters elements of the network's dtype, laid out as
  // the parameters. Throws std::invalid_argument where it has no such slot.
  void* slot(Network& network, const std::string& name);

  // A step as operations, for functions that take parameters and give new ones; it binds to nothing. Settings,
  // schedule and clipping are those of step(), but nothing looks whether all is finite; the rate is read at each run.
  // Groups know the weights by `names`. Throws std::invalid_argument where shapes or types do not fit, where a pattern
  // matches no name, for a schedule by epochs, and where a step is no composition of operations.
  StepTensors apply(const std::vector<std::string>& names, const StepTensors& from, std::vector<Tensor> grads) const;
  std::vector<std::string> slots() const;  // names of the arrays of state
  double initial() const;                  // elements of the first of them; the others begin at zero

  OptimizerState state_dict() const;
  // Goes on from there. Before the first step it may come from another network's optimizer: names and shapes are
  // checked when this one binds. Throws std::invalid_argument where they do not fit.
  void load_state_dict(OptimizerState from);

  struct State;
  const std::shared_ptr<State>& state() const { return state_.shared(); }

 private:
  Handle<State, "Optimizer"> state_;
};

}  // namespace backpass
