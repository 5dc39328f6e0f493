// What differs between training and other times: the choice between two values, running values, random masks and noise.
#include <cmath>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

void check_choice(const char* who, const Tensor& x) {
  if (!x || x.dtype() == DType::int32) fail(who, "takes a tensor of float32 or float64");
}

void check_rate(const char* who, double rate) {
  if (!(rate >= 0 && rate < 1)) fail(who, "rate must be at least 0 and below 1, got ", rate);
}

// Drawn from (seed, stream, step, element): whoever needs it again draws it again.
Tensor random_keep(const Tensor& like, double rate, std::uint32_t stream) {
  return make_tensor(
      {.kind = OpKind::random_keep, .shape = like.shape(), .dtype = like.dtype(), .alpha = rate, .stream = stream});
}

}  // namespace

Tensor rebuilt_random(const Op& op) {
  if (op.dtype == DType::int32) fail("graph", name(op.kind), " must be float32 or float64");
  check_rate("graph", op.alpha);
  return make_tensor({.kind = op.kind,
                      .shape = op.shape,
                      .dtype = op.dtype,
                      .alpha = op.alpha,
                      .always = op.always || op.kind == OpKind::random_uniform,
                      .stream = op.stream});
}

Tensor by_mode(const Tensor& training, const Tensor& otherwise) {
  check_choice("by_mode", training);
  check_choice("by_mode", otherwise);
  if (training.shape() != otherwise.shape() || training.dtype() != otherwise.dtype())
    fail("by_mode", "takes two tensors of one shape and type, got ", to_string(training.shape()), " and ",
         to_string(otherwise.shape()));
  return make_tensor(
      {.kind = OpKind::by_mode, .inputs = {training, otherwise}, .shape = training.shape(), .dtype = training.dtype()});
}

Tensor track(const Tensor& y, const Tensor& state, const Tensor& value, double momentum) {
  check_choice("track", y);
  check_choice("track", value);
  if (!state || state.op().kind != OpKind::state)
    fail("track", "moves a state, got ", state ? state.kind() : "nothing");
  if (value.shape() != state.shape() || value.dtype() != state.dtype())
    fail("track", "value has shape ", to_string(value.shape()), ", the state ", to_string(state.shape()));
  if (!(momentum >= 0 && momentum <= 1)) fail("track", "momentum must be between 0 and 1, got ", momentum);
  return make_tensor(
      {.kind = OpKind::track, .inputs = {y, state, value}, .shape = y.shape(), .dtype = y.dtype(), .alpha = momentum});
}

// Each input gets the gradient in its own mode.
Grads by_mode_derivative(const Tensor&, const Tensor& g, const Wanted&) {
  const Tensor nothing = constant(0.0, g.shape(), g.dtype());
  return {by_mode(g, nothing), by_mode(nothing, g)};
}

Grads track_derivative(const Tensor&, const Tensor& g, const Wanted&) { return {g, {}, {}}; }

Tensor add_loss(const Tensor& y, const Tensor& term) {
  check_choice("add_loss", y);
  if (!term || term.dtype() != y.dtype())
    fail("add_loss", "term must be of ", name(y.dtype()), ", got ", term ? name(term.dtype()) : "nothing");
  const Tensor number = term.shape().empty() ? term : mean(term);
  return make_tensor({.kind = OpKind::add_loss, .inputs = {y, number}, .shape = y.shape(), .dtype = y.dtype()});
}

Grads add_loss_derivative(const Tensor&, const Tensor& g, const Wanted&) { return {g, {}}; }

Tensor dropout(const Tensor& x, double rate, std::uint32_t stream) {
  check_choice("dropout", x);
  check_rate("dropout", rate);
  return x * random_keep(x, rate, stream);
}

Tensor gaussian_noise(const Tensor& x, double deviation, std::uint32_t stream) {
  check_choice("gaussian_noise", x);
  if (!(deviation >= 0) || !std::isfinite(deviation))
    fail("gaussian_noise", "deviation must be finite and not negative, got ", deviation);
  const Tensor noise =
      make_tensor({.kind = OpKind::random_normal, .shape = x.shape(), .dtype = x.dtype(), .stream = stream});
  return x + noise * deviation;
}

// With q = 1 - rate and l the limit of selu at minus infinity, x or l is scaled by (q (1 + rate l^2))^(-1/2) and
// shifted so that the mean stays.
Tensor alpha_dropout(const Tensor& x, double rate, std::uint32_t stream) {
  check_choice("alpha_dropout", x);
  check_rate("alpha_dropout", rate);
  const double kept = 1 - rate, limit = -kSeluScale * kSeluAlpha;
  const double scale = 1 / std::sqrt(kept * (1 + rate * limit * limit));
  const Tensor mask = random_keep(x, rate, stream) * kept;  // 1 or 0
  const Tensor dropped = (1.0 - mask) * limit, mixed = x * mask + dropped;
  return by_mode(mixed * scale - scale * rate * limit, x);
}

Tensor stop_gradient(const Tensor& x) {
  if (!x) fail("stop_gradient", "got an empty tensor");
  return make_tensor({.kind = OpKind::stop_gradient, .inputs = {x}, .shape = x.shape(), .dtype = x.dtype()});
}

// soft less itself is 0 wherever soft is finite: the value is that of hard to the bit.
Tensor straight_through(const Tensor& hard, const Tensor& soft) {
  check_choice("straight_through", hard);
  check_choice("straight_through", soft);
  if (hard.shape() != soft.shape() || hard.dtype() != soft.dtype())
    fail("straight_through", "takes two tensors of one shape and type, got ", to_string(hard.shape()), " and ",
         to_string(soft.shape()));
  const Tensor kept = stop_gradient(hard), same = stop_gradient(soft);
  return kept + (soft - same);
}

}  // namespace backpass
