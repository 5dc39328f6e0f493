// Optimizers: how parameters follow their gradients.
#pragma once

#include "backpass/network.h"

namespace backpass {

// w <- w - learning_rate * g; with momentum the gradient is replaced by a velocity (PyTorch's form: v <- momentum v +
// g).
struct SGD {
  double learning_rate = 1e-2;
  double momentum = 0.0;
  bool nesterov = false;
  double weight_decay = 0.0;  // coupled: g + weight_decay * w
};

// Kingma and Ba 2015, algorithm 1; weight_decay is coupled (added to the gradient).
struct Adam {
  double learning_rate = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.0;
};

// The same with the decay decoupled (Loshchilov and Hutter 2019): w <- (1 - learning_rate * weight_decay) w, then Adam.
struct AdamW {
  double learning_rate = 1e-3;
  std::pair<double, double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 1e-2;
};

// Tieleman and Hinton 2012, in PyTorch's form: v <- alpha v + (1 - alpha) g^2; w <- w - learning_rate * g / (sqrt(v) +
// eps). With momentum the quotient is replaced by a velocity, as in SGD.
struct RMSprop {
  double learning_rate = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double momentum = 0.0;
  double weight_decay = 0.0;  // coupled
};

// A rule and its state; a shared handle. It binds to the first network that it steps; a second one throws
// std::invalid_argument. Settings out of range throw std::invalid_argument here.
class Optimizer {
 public:
  Optimizer(const SGD& sgd);          // NOLINT: descriptions convert
  Optimizer(const Adam& adam);        // NOLINT
  Optimizer(const AdamW& adamw);      // NOLINT
  Optimizer(const RMSprop& rmsprop);  // NOLINT

  std::string type() const;
  Attributes attributes() const;
  double learning_rate() const;
  void set_learning_rate(double value);
  std::int64_t steps() const;            // taken so far
  double current_learning_rate() const;  // of the next step

  // Updates the network's parameters from its gradient buffer.
  void step(Network& network);

  struct State;
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace backpass
