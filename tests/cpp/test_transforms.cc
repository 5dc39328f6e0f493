// Transformations of graphs: gradients, maps over an axis, directions, rules of one's own, steps of optimizers.
#include <algorithm>
#include <cmath>

#include "backpass/function.h"
#include "backpass/optimizers.h"
#include "backpass/transforms.h"
#include "io_check.h"

namespace backpass {
namespace {

Tensor vector_of(Dim n, const char* name) { return input({n}, DType::float64, name); }

std::vector<double> run(const std::vector<Tensor>& inputs, const Tensor& y,
                        const std::vector<std::vector<double>>& with) {
  std::vector<ArrayView> views;
  for (std::size_t i = 0; i < with.size(); ++i) views.emplace_back(with[i].data(), inputs[i].shape());
  const std::vector<Array> found = Function(Graph(inputs, {y}))(views);
  const std::span<const double> values = found[0].values<double>();
  return {values.begin(), values.end()};
}

bool near(const std::vector<double>& got, const std::vector<double>& expected) {
  bool same = got.size() == expected.size();
  for (std::size_t i = 0; same && i < got.size(); ++i) same = std::fabs(got[i] - expected[i]) < 1e-12;
  return same;
}

// y = x^2, with Jacobian diag(2 x).
void test_products_with_the_jacobian() {
  const Tensor x = vector_of(2, "x"), v = vector_of(2, "v"), y = square(x);
  CHECK(near(run({x, v}, vjp({y}, {x}, {v})[0], {{3, 4}, {1, 10}}), {6, 80}));
  CHECK(near(run({x, v}, jvp({y}, {x}, {v})[0], {{3, 4}, {1, 10}}), {6, 80}));
}

// Of x0^2 x1: a gradient of the gradient for each unit vector.
void test_a_hessian() {
  const Tensor x = vector_of(2, "x"), seed = vector_of(2, "seed");
  const Tensor x0 = slice(x, 0, 0, 1), x1 = slice(x, 0, 1, 2), y = sum(square(x0) * x1);
  const Tensor row = vjp({gradients(y, {x})[0]}, {x}, {seed})[0];
  const Tensor hessian = vmap({row}, {seed}, {constant({1, 0, 0, 1}, {2, 2}, DType::float64)})[0];
  CHECK(hessian.shape() == (Shape{2, 2}));
  CHECK(near(run({x}, hessian, {{1, 3}}), {6, 2, 2, 0}));
}

void test_gradients_of_examples() {
  const Tensor w = vector_of(2, "w"), one = vector_of(2, "x"), many = input({3, 2}, DType::float64, "xs");
  const Tensor each = vmap(gradients(square(sum(w * one)), {w}), {one}, {many})[0];
  CHECK(near(run({w, many}, each, {{1, 1}, {1, 2, 3, 4, 0, 1}}), {6, 12, 42, 56, 0, 2}));
}

void test_substitute() {
  const Tensor x = vector_of(2, "x"), z = vector_of(2, "z");
  CHECK(near(run({z}, substitute({exp(x) + 1.0}, {x}, {log(z)})[0], {{1, 2}}), {2, 3}));
}

void test_rules_of_ones_own() {
  const Tensor x = vector_of(1, "x");
  const Tensor y = custom_gradient(square(x), {x}, [](const std::vector<Tensor>&, const Tensor&, const Tensor& grad) {
    return std::vector<Tensor>{grad * 0.5};
  });
  CHECK(near(run({x}, y, {{3}}), {9}));
  CHECK(near(run({x}, gradients(sum(y), {x})[0], {{3}}), {0.5}));
  CHECK(near(run({x}, gradients(sum(checkpoint(square(square(x)), {x})), {x})[0], {{3}}), {108}));
}

// A dropout that drops all but nothing, and a running value.
void test_in_training() {
  const Tensor x = vector_of(2, "x"), running = state({2}, DType::float64, "running");
  const Tensor y = track(by_mode(x * 2.0, x), running, x, 0.25);
  const InTraining made = in_training({y});
  CHECK(near(run({x}, made.ys[0], {{1, 2}}), {2, 4}));
  CHECK(made.moves.size() == 1 && made.moves[0].first == running);
  const Tensor before = vector_of(2, "before");
  const Tensor next = substitute({made.moves[0].second}, {running}, {before})[0];
  CHECK(near(run({x, before}, next, {{4, 8}, {0, 4}}), {1, 5}));
}

void test_a_step_of_an_optimizer() {
  const Tensor w = vector_of(2, "w"), g = vector_of(2, "g"), steps = input({}, DType::int32, "steps");
  const Optimizer sgd(SGD{.learning_rate = 0.5}, {.clip_value = 2.0});
  const StepTensors next = sgd.apply({"w"}, {{w}, {}, steps}, {g});
  CHECK(sgd.slots().empty() && next.slots.empty());
  const std::vector<double> weight{1, 1}, grad{1, 8};
  const std::int32_t made = 6;
  const std::vector<Array> found = Function(Graph({w, g, steps}, {next.weights[0], next.steps}))(
      {ArrayView(weight.data(), {2}), ArrayView(grad.data(), {2}), ArrayView(&made, {})});
  CHECK(found[0].values<double>()[0] == 0.5 && found[0].values<double>()[1] == 0);
  CHECK(found[1].values<std::int32_t>()[0] == 7);
}

// v = 0.5 v + g, w = w - 0.1 v: in one call for both, and as derivatives.
void test_steps_are_updates() {
  const Tensor w = vector_of(2, "w"), g = vector_of(2, "g"), v = vector_of(2, "v"),
               steps = input({}, DType::int32, "t");
  const StepTensors next = Optimizer(SGD{.learning_rate = 0.1, .momentum = 0.5}).apply({"w"}, {{w}, {{v}}, steps}, {g});
  const Function both(Graph({w, g, v, steps}, {next.weights[0], next.slots[0][0]}));
  const std::vector<CallInfo>& calls = both.plan().calls;
  CHECK(std::ranges::count(calls, "update", &CallInfo::name) == 1 && calls.size() == 2);
  const Tensor by_v = gradients(sum(next.weights[0]), {v})[0];
  const std::vector<double> ones{1, 1}, twos{2, 2};
  const std::int32_t made = 0;
  const std::vector<Array> found = Function(Graph({w, g, v, steps}, {next.weights[0], next.slots[0][0], by_v}))(
      {ArrayView(ones.data(), {2}), ArrayView(ones.data(), {2}), ArrayView(twos.data(), {2}), ArrayView(&made, {})});
  CHECK(std::abs(found[0].values<double>()[0] - 0.8) < 1e-15 && found[1].values<double>()[1] == 2);
  CHECK(found[2].values<double>()[0] == -0.05);
  CHECK((both.in_place() == std::vector<int>{0, 2}));
  std::vector<double> weight{1, 1}, velocity{2, 2};
  const std::array<ArrayView, 4> views{ArrayView(weight.data(), {2}), ArrayView(ones.data(), {2}),
                                       ArrayView(velocity.data(), {2}), ArrayView(&made, {})};
  both.run(views, {}, std::array<void*, 2>{weight.data(), velocity.data()});
  CHECK(weight[1] == found[0].values<double>()[1] && velocity[0] == 2);
  CHECK((Function(Graph({w, g, v, steps}, {next.weights[0], w * 2.0})).in_place() == std::vector<int>{-1, -1}));
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_products_with_the_jacobian();
  test_a_hessian();
  test_gradients_of_examples();
  test_substitute();
  test_rules_of_ones_own();
  test_in_training();
  test_a_step_of_an_optimizer();
  test_steps_are_updates();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
