// Directions, composed of ops: the plan computes them like anything else.
#include "optim/muon.h"

#include <algorithm>
#include <cmath>

namespace backpass {
namespace {

// The quintic a x + b x^3 + c x^5, whose fixed points are near 1 and which grows fast from 0 (Jordan et al. 2024).
constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;

// x / max(size, the smallest normal number): zeros stay zeros.
Tensor over(const Tensor& x, const Tensor& size) {
  return x / maximum(size, constant(least_normal(x.dtype()), {}, x.dtype()));
}

// Brings the singular values of x near 1: Newton and Schulz's iteration, on the smaller of its Gram matrices.
Tensor orthogonalized(Tensor x, int steps) {
  const bool wide = x.shape()[0] <= x.shape()[1];
  // A direction has no scale: divided by a mean before squares, and before that by the count, that might overflow.
  x = over(x, sum(abs(x) * (1 / static_cast<double>(element_count(x.shape())))));
  x = over(x, sqrt(sum(square(x))));
  for (int i = 0; i < steps; ++i) {
    const Tensor gram = wide ? matmul(x, x, false, true) : matmul(x, x, true);
    const Tensor factor = gram * kB + matmul(gram, gram) * kC;
    x = x * kA + (wide ? matmul(factor, x) : matmul(x, factor));
  }
  return x;
}

// What keeps a step as long whatever the matrix's shape.
double scale(const Direction& direction, const Shape& shape) {
  const double rows = static_cast<double>(shape[0]), cols = static_cast<double>(shape[1]);
  return direction.match_rms ? 0.2 * std::sqrt(std::max(rows, cols)) : std::sqrt(std::max(1.0, rows / cols));
}

void add_direction(PlanSpec& spec, const Network::Impl& net, const Direction& direction, const ParameterInfo& info,
                   const Tensor& grad) {
  const Place momentum_place{kOptimizer0, net.bytes_before(info)};
  const Tensor before = spec.leaf(info.shape, "momentum " + info.name, momentum_place);
  const auto [momentum, step] = directed(direction, before, grad);
  mark_phase(spec, {momentum, step}, Phase::backward);
  spec.assigns.push_back({momentum, momentum_place});
  spec.update.descents.push_back({step, net.place_of(info)});
}

}  // namespace

Directed directed(const Direction& direction, const Tensor& before, const Tensor& grad) {
  const double kept = direction.momentum;
  const Tensor momentum = before * kept + grad * (1 - kept);
  const Tensor along = direction.nesterov ? grad * (1 - kept) + momentum * kept : momentum;
  return {momentum, orthogonalized(along, direction.steps) * scale(direction, grad.shape())};
}

std::vector<ParameterInfo> add_directions(PlanSpec& spec, const Network::Impl& network, const Direction& direction,
                                          const std::map<std::string, Tensor>& gradients,
                                          std::vector<ParameterInfo>& swept) {
  std::vector<ParameterInfo> matrices;
  const auto is_directed = [](const ParameterInfo& info) { return is_matrix(info.shape); };
  std::ranges::copy_if(swept, std::back_inserter(matrices), is_directed);
  std::erase_if(swept, is_directed);
  for (const ParameterInfo& info : matrices) {
    const auto own = gradients.find(info.name);
    const Tensor grad = own != gradients.end()
                            ? own->second
                            : spec.leaf(info.shape, "grad " + info.name, gradient_beside(network.place_of(info)));
    add_direction(spec, network, direction, info, grad);
  }
  return matrices;
}

}  // namespace backpass
