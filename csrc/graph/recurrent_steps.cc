// Recurrent layers step by step, by other ops.
#include "graph/recurrent.h"

namespace backpass {
namespace {

struct StepMade {
  Tensor h, c;
  Tensor gates, more, reset;
};

// Steps of one kind of cell: all of (n, width).
class Stepper {
 public:
  Stepper(Cell cell, const Tensor& weight, const Tensor& bias)
      : cell_(cell), weight_(weight), bias_(bias), width_(weight.shape()[1]) {}

  StepMade operator()(const Tensor& x, const Tensor& shift, const Tensor& h, const Tensor& c) const {
    switch (cell_) {
      case Cell::tanh:
        return {tanh(x + product(h, 0, 1, shift)), {}, {}, {}, {}};
      case Cell::relu:
        return {relu(x + product(h, 0, 1, shift)), {}, {}, {}, {}};
      case Cell::lstm:
        return lstm(x + product(h, 0, 4, shift), c);
      case Cell::gru:
        return gru(x, product(h, 0, 3, shift), h);
      case Cell::gru_before:
        return gru_before(x, shift, h);
    }
    return {};
  }

 private:
  Tensor part(const Tensor& z, Dim first, Dim count = 1) const {
    return slice(z, -1, first * width_, (first + count) * width_);
  }

  // Of some gates.
  Tensor product(const Tensor& h, Dim first, Dim count, const Tensor& shift) const {
    const Tensor w = slice(weight_, 0, first * width_, (first + count) * width_);
    const Tensor q = matmul(h, w, false, true) + slice(bias_, 0, first * width_, (first + count) * width_);
    return shift ? q + part(shift, first, count) : q;
  }

  StepMade lstm(const Tensor& z, const Tensor& before) const {
    const Tensor i = sigmoid(part(z, 0)), f = sigmoid(part(z, 1)), g = tanh(part(z, 2)), o = sigmoid(part(z, 3));
    const Tensor c = f * before + i * g;
    return {o * tanh(c), c, concat({i, f, g, o}, -1), c, {}};
  }

  StepMade gru(const Tensor& x, const Tensor& q, const Tensor& h) const {
    const Tensor r = sigmoid(part(x, 0) + part(q, 0)), z = sigmoid(part(x, 1) + part(q, 1));
    const Tensor n = tanh(part(x, 2) + r * part(q, 2));
    return {n + z * (h - n), {}, concat({r, z, n}, -1), part(q, 2), {}};
  }

  StepMade gru_before(const Tensor& x, const Tensor& shift, const Tensor& h) const {
    const Tensor q = product(h, 0, 2, shift);
    const Tensor r = sigmoid(part(x, 0) + part(q, 0)), z = sigmoid(part(x, 1) + part(q, 1));
    const Tensor n = tanh(part(x, 2) + product(r * h, 2, 1, shift));
    return {n + z * (h - n), {}, concat({r, z, n}, -1), {}, r * h};
  }

  Cell cell_;
  Tensor weight_, bias_;
  Dim width_;
};

Tensor at_step(const Tensor& x, Dim t) {
  if (!x) return {};
  return reshape(slice(x, 1, t, t + 1), {x.shape()[0], x.shape()[2]});
}

// Each (n, width) as a step of (n, steps, width); empty where they are.
Tensor stacked(const std::vector<StepMade>& steps, Tensor StepMade::*which) {
  std::vector<Tensor> all;
  for (const StepMade& step : steps) {
    const Tensor& each = step.*which;
    if (!each) return {};
    all.push_back(reshape(each, {each.shape()[0], 1, each.shape()[1]}));
  }
  return concat(all, 1);
}

}  // namespace

RecurrentSteps unrolled(const Recurrent& settings, const RecurrentInputs& in, const Tensor& shift) {
  const Stepper step(settings.cell, in.weight, in.bias);
  const Dim count = in.x.shape()[1];
  const Tensor lengths = in.lengths ? reshape(cast(in.lengths, in.x.dtype()), {in.x.shape()[0], 1}) : Tensor();
  std::vector<StepMade> steps(static_cast<std::size_t>(count));
  Tensor h = in.state, c = in.cell;
  for (Dim i = 0; i < count; ++i) {
    const Dim t = settings.reverse ? count - 1 - i : i;
    StepMade made = step(at_step(in.x, t), at_step(shift, t), h, c);
    if (lengths) {
      const Tensor within = backpass::step(lengths - static_cast<double>(t));
      made.h = where(within, made.h, h);
      if (c) made.more = made.c = where(within, made.c, c);
    }
    h = made.h;
    c = made.c;
    steps[static_cast<std::size_t>(t)] = std::move(made);
  }
  return {stacked(steps, &StepMade::h), stacked(steps, &StepMade::gates), stacked(steps, &StepMade::more),
          stacked(steps, &StepMade::reset)};
}

}  // namespace backpass
