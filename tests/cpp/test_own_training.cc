// Optimizers and metrics of one's own, and networks made as new.
#include <cmath>

#include "backpass/losses.h"
#include "backpass/trainer.h"
#include "io_check.h"

namespace backpass {
namespace {

const std::vector<float> kX{0, 1, 2, 3, 4, 5, 6}, kY{1, 3, 5, 7, 9, 11, 13};

Network linear() { return sequential({1}, {Dense{1}}, {.seed = 1}); }

ArrayView column(const std::vector<float>& values) { return {values.data(), {static_cast<Dim>(values.size()), 1}}; }

std::vector<float> parameters(Network& network) {
  const float* values = static_cast<float*>(network.flat_parameters());
  return {values, values + network.n_parameters()};
}

bool near(const std::vector<float>& a, const std::vector<float>& b) {
  bool all = a.size() == b.size();
  for (std::size_t i = 0; all && i < a.size(); ++i) all = std::fabs(a[i] - b[i]) < 1e-5f;
  return all;
}

// w x from w = 0; of these rows the loss is finite and the gradient is not.
Network flat() { return sequential({1}, {Dense{.units = 1, .weight_init = "zeros"}}, {.seed = 1}); }

const std::vector<float> kSteep{1e30f}, kFar{1e15f};

template <class Error, class Call>
bool throws(Call call) {
  try {
    call();
  } catch (const Error&) {
    return true;
  }
  return false;
}

Optimizer heavy() {
  return Optimizer(ComposedOptimizer{.name = "Heavy",
                                     .learning_rate = 0.01,
                                     .slots = {"velocity"},
                                     .update = [](const UpdateInputs& in) -> std::vector<Tensor> {
                                       const Tensor velocity = in.slots[0] * 0.9 + in.grad;
                                       return {in.weight - in.learning_rate * velocity, velocity};
                                     }});
}

void test_a_composed_optimizer_is_one_like_others() {
  Network ours = linear(), theirs = linear();
  Optimizer mine = heavy();
  Trainer(ours, MSE{}, mine).fit(column(kX), column(kY), {.epochs = 5, .batch_size = 2});
  Trainer(theirs, MSE{}, SGD{.learning_rate = 0.01, .momentum = 0.9})
      .fit(column(kX), column(kY), {.epochs = 5, .batch_size = 2});
  CHECK(near(parameters(ours), parameters(theirs)));
  CHECK(mine.steps() == 20 && mine.type() == "Heavy");
  const OptimizerState state = mine.state_dict();
  CHECK(state.slots.size() == 1 && state.slots.at("velocity").size() == 2);
  Optimizer again = heavy();
  again.load_state_dict(state);
  Network copy = ours.clone();
  mine.step(ours);
  static_cast<void>(copy.flat_gradients());
  again.step(copy);
  CHECK(parameters(ours) == parameters(copy));
  CHECK(refuses([] { Optimizer(ComposedOptimizer{.name = "Two", .slots = {"a", "a"}}); }, "names of their own"));
  Network other = linear();
  CHECK(refuses([&] { Optimizer(ComposedOptimizer{.name = "None"}).step(other); }, "has no update"));
}

// What it does not read is freed early, and was taken for other tensors at its address.
void test_a_composed_optimizer_need_not_read_its_inputs() {
  const auto deep = [] { return sequential({1}, {Dense{.units = 3, .activation = "tanh"}, Dense{1}}, {.seed = 1}); };
  Network ours = deep(), theirs = deep();
  Optimizer mine(ComposedOptimizer{
      .name = "Plain", .slots = {"last"}, .update = [](const UpdateInputs& in) -> std::vector<Tensor> {
        return {in.weight - in.grad * 0.01, in.grad};
      }});
  Optimizer sgd = SGD{.learning_rate = 0.01};
  for (int i = 0; i < 5; ++i) {
    Trainer(ours, MSE{}, mine).step(column(kX), column(kY));
    Trainer(theirs, MSE{}, sgd).step(column(kX), column(kY));
  }
  CHECK(near(parameters(ours), parameters(theirs)));
}

void test_an_update_by_hand() {
  Network network = linear();
  int calls = 0;
  Optimizer sgd = SGD{.learning_rate = 0.01};
  TrainerOptions options;
  options.update = [&](Network& net, Optimizer& optimizer) {
    optimizer.step(net);
    return ++calls < 3;
  };
  Trainer trainer(network, MSE{}, sgd, options);
  CHECK(std::isfinite(trainer.step(column(kX), column(kY))));
  CHECK(std::isfinite(trainer.step(column(kX), column(kY))));
  CHECK(std::isnan(trainer.step(column(kX), column(kY))) && calls == 3);
}

void test_an_update_by_hand_that_is_refused() {
  Network network = flat();
  Optimizer adam = Adam{};
  TrainerOptions options;
  options.update = [](Network& net, Optimizer& optimizer) {
    optimizer.step(net);
    return true;
  };
  Trainer trainer(network, MSE{}, adam, options);
  const std::vector<float> before = parameters(network);
  CHECK(std::isnan(trainer.step(column(kSteep), column(kFar))));
  CHECK(throws<DivergedError>([&] { trainer.fit(column(kSteep), column(kFar)); }));
  CHECK(throws<NotFiniteError>([&] { adam.step(network); }));
  CHECK(parameters(network) == before && adam.steps() == 0);
}

void test_the_sign_of_a_gradient_that_is_not_finite() {
  Network network = flat();
  Optimizer signs(ComposedOptimizer{.name = "Signs", .update = [](const UpdateInputs& in) -> std::vector<Tensor> {
                                      return {in.weight - in.learning_rate * sign(in.grad)};
                                    }});
  const std::vector<float> before = parameters(network);
  CHECK(std::isnan(Trainer(network, MSE{}, signs).step(column(kSteep), column(kFar))));
  CHECK(parameters(network) == before && signs.steps() == 0);
}

void test_reset_and_random_counters() {
  Network network = linear();
  const std::vector<float> first = parameters(network);
  Trainer(network, MSE{}, SGD{}).fit(column(kX), column(kY), {.epochs = 3, .batch_size = 2});
  CHECK(network.random_counters().step == 12 && network.random_counters().epoch == 3);
  const std::string bytes = network.serialize();
  Network copy = Network::deserialize(std::as_bytes(std::span(bytes)));
  copy.set_random_counters(network.random_counters());
  CHECK(copy.random_counters().step == 12 && parameters(copy) == parameters(network));
  network.reset();
  CHECK(parameters(network) == first && network.random_counters().step == 0);
  network.reset(9);
  CHECK(parameters(network) != first && network.seed() == 9);
}

void test_rows_that_fill_no_batch() {
  Network ours = linear(), theirs = linear();
  const ArrayView x(kX.data(), {6, 1}), y(kY.data(), {6, 1});
  Trainer(ours, MSE{}, SGD{}).fit(column(kX), column(kY), {.batch_size = 3, .shuffle = false, .drop_last = true});
  Trainer(theirs, MSE{}, SGD{}).fit(x, y, {.batch_size = 3, .shuffle = false});
  CHECK(parameters(ours) == parameters(theirs));
}

void test_metrics_of_labels() {
  const std::vector<float> scores{.1f, .2f, .7f, .3f, .4f, .3f};
  const std::vector<std::int32_t> labels{2, 0};
  const Metric right = [](const ArrayView& y_true, const ArrayView& y_pred) {
    const auto *t = static_cast<const std::int32_t*>(y_true.data), *p = static_cast<const std::int32_t*>(y_pred.data);
    return static_cast<double>((t[0] == p[0]) + (t[1] == p[1]));
  };
  CHECK(metric(right, MetricInput::labels, CrossEntropy{})(labels, ArrayView(scores.data(), {2, 3})) == 1);
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_a_composed_optimizer_is_one_like_others();
  test_a_composed_optimizer_need_not_read_its_inputs();
  test_an_update_by_hand();
  test_an_update_by_hand_that_is_refused();
  test_the_sign_of_a_gradient_that_is_not_finite();
  test_reset_and_random_counters();
  test_rows_that_fill_no_batch();
  test_metrics_of_labels();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
