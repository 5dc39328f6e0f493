// Functions that are missing, empty handles and sizes at the end of their range are errors where they are given.
#include <backpass/backpass.h>
#include <backpass/eager.h>

#include <limits>

#include "io_check.h"

namespace backpass {
namespace {

const double kValues[3] = {1, 2, 3};
const ArrayView kThree(kValues, {3});

void test_functions_that_are_missing() {
  const Tensor x = input({3}), y = exp(x);
  CHECK(refuses([&] { host_call({"f", {}}, {x}, {3}); }, "[host_call] needs a function"));
  CHECK(refuses([&] { custom_gradient(y, {x}, {}); }, "[custom_gradient] needs a rule"));
  const Tensor leaf = eager::tensor(kThree, DType::float64, true);
  CHECK(refuses([&] { eager::add_hook(leaf, {}); }, "[register_hook] needs a function"));
  const Network network = sequential({3}, {Dense{1}}, {.seed = 0});
  CHECK(refuses([&] { Trainer(network, MSE{}, SGD{}, {.weight_penalty = {Penalty{}}}); },
                "[weight_penalty] a Penalty needs a term"));
}

void test_losses_without_arguments() {
  const Tensor p = input({kBatch, 2}), t = input({kBatch, 2});
  const Loss loss = MSE{};
  CHECK(refuses([&] { loss.build(LossArguments{}); }, "[MSE] is built of a prediction, got none"));
  CHECK(refuses([&] { loss.build({.predictions = {p}}); }, "[MSE] is built of a target, got none"));
  CHECK(refuses(
      [&] {
        loss.build({.predictions = {p}, .targets = {t, t}, .names = {"a", "a"}});
      },
      "[y] has two targets called \"a\""));
}

void test_parameters_of_another_network() {
  Network one = sequential({3}, {Dense{1}}, {.seed = 0});
  const Network other = sequential({3}, {Dense{2}}, {.seed = 0});
  CHECK(refuses([&] { one.values_of(other.parameters()[0]); }, "[Network] has no parameter or state \"0.weight\""));
  CHECK(refuses([&] { one.gradients_of(other.parameters()[1]); }, "[Network] has no parameter or state \"0.bias\""));
  CHECK(one.values_of(one.parameters()[1]) != nullptr);
}

void test_threads_below_none() {
  const Tensor x = input({3});
  const Function f(Graph({x}, {exp(x)}));
  CHECK(refuses([&] { f(std::vector<ArrayView>{kThree}, {}, {.threads = -1}); },
                "[Function] threads must not be negative"));
}

void test_callers() {
  CHECK(refuses([] { eager::Caller{Network()}; }, "[Network] is empty"));
  eager::Caller caller(sequential({3}, {Dense{1}}, {.seed = 0}));
  const eager::Caller kept = std::move(caller);
  const Tensor row = eager::tensor(ArrayView(kValues, {1, 3}), DType::float32);
  CHECK(refuses([&] { caller({row}, true); }, "[Caller] is empty"));
  CHECK(refuses([&] { caller.network(); }, "[Caller] is empty"));
  CHECK(refuses([&] { caller.parameters(); }, "[Caller] is empty"));
  CHECK(refuses([&] { caller.inputs(ArrayView(kValues, {1, 3})); }, "[Caller] is empty"));
  CHECK(kept({row}, true)[0].shape() == (Shape{1, 1}));
}

void test_eager_arrays_and_seeds() {
  const double* none = nullptr;
  CHECK(refuses([&] { eager::tensor({}, DType::float64); }, "[tensor] has no data"));
  CHECK(refuses([&] { eager::tensor({none, {3}}, DType::float64); }, "[tensor] has no data for its shape (3,)"));
  CHECK(eager::tensor({none, {0, 3}}, DType::float64).shape() == (Shape{0, 3}));
  const Tensor leaf = eager::tensor(kThree, DType::float64, true), y = square(leaf);
  CHECK(refuses([&] { eager::assign(leaf, {none, {3}}); }, "has no data"));
  const Tensor one = eager::tensor(ArrayView(kValues, {1}), DType::float64);
  const Tensor narrow = eager::tensor(kThree, DType::float32);
  for (const Tensor& seed : {one, narrow})
    CHECK(refuses([&] { eager::recorded_gradients({y}, {leaf}, {seed}); }, "[backward] gradient must have shape (3,)"));
  const Tensor slope = eager::recorded_gradients({y}, {leaf}, {eager::tensor(kThree, DType::float64)})[0];
  CHECK(eager::value(slope).values<double>()[2] == 18);
}

void test_powers_at_the_end_of_the_range() {
  const double flips[] = {-1, 0, 0, 1};  // its own inverse
  const Tensor a = input({2, 2}, DType::float64);
  for (const Dim n : {std::numeric_limits<Dim>::min(), std::numeric_limits<Dim>::max()}) {
    const Array power = evaluate(Graph({a}, {linalg::matrix_power(a, n)}), {ArrayView(flips, {2, 2})})[0];
    CHECK(power.values<double>()[0] == (n % 2 == 0 ? 1 : -1) && power.values<double>()[3] == 1);
  }
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_functions_that_are_missing();
  test_losses_without_arguments();
  test_parameters_of_another_network();
  test_threads_below_none();
  test_callers();
  test_eager_arrays_and_seeds();
  test_powers_at_the_end_of_the_range();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
