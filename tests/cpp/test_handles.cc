// Handles that hold nothing, arrays without data and types that do not fit are errors, not crashes.
#include <backpass/backpass.h>

#include "io_check.h"

namespace backpass {
namespace {

Network linear() { return sequential({8}, {Dense{1}}, {.seed = 1}); }

void test_networks() {
  Network made_of_nothing, network = linear();
  const Network taken = std::move(network);
  for (Network* empty : {&made_of_nothing, &network}) {
    CHECK(!*empty);
    const float x[8] = {};
    CHECK(refuses([&] { empty->predict(ArrayView(x, {1, 8})); }, "[Network] is empty"));
    CHECK(refuses([&] { empty->n_parameters(); }, "[Network] is empty"));
    CHECK(refuses([&] { empty->graph(); }, "[Network] is empty"));
    CHECK(refuses([&] { empty->clone(); }, "[Network] is empty"));
    CHECK(refuses([&] { empty->save("never"); }, "[Network] is empty"));
    CHECK(refuses([&] { empty->memory_estimate(1); }, "[Network] is empty"));
    CHECK(refuses([&] { Optimizer(SGD{}).step(*empty); }, "[Network] is empty"));
    CHECK(refuses([&] { Trainer(*empty, MSE{}, SGD{}); }, "[Trainer]"));
  }
  CHECK(taken.n_parameters() == 9);
}

void test_other_handles() {
  Tensor tensor = input({2}), kept_tensor = std::move(tensor);
  CHECK(refuses([&] { tensor.shape(); }, "[Tensor] is empty"));
  CHECK(refuses([&] { tensor.kind(); }, "[Tensor] is empty"));
  CHECK(refuses([&] { tensor + kept_tensor; }, "[add]"));
  Loss loss = MSE{}, kept_loss = std::move(loss);
  CHECK(refuses([&] { loss.type(); }, "[Loss] is empty"));
  CHECK(refuses([&] { Trainer(linear(), loss, SGD{}); }, "[Loss] is empty"));
  Layer layer = Dense{1}, kept_layer = std::move(layer);
  CHECK(refuses([&] { layer(input({kBatch, 2})); }, "[Layer] is empty"));
  Optimizer optimizer = SGD{}, kept_optimizer = std::move(optimizer);
  CHECK(refuses([&] { optimizer.steps(); }, "[Optimizer] is empty"));
  CHECK(refuses([&] { Trainer(linear(), MSE{}, optimizer).step(ArrayView(), ArrayView()); }, "[Optimizer] is empty"));
  Average average = EMA{0.5}, kept_average = std::move(average);
  CHECK(refuses([&] { average.updates(); }, "[Average] is empty"));
  Trainer trainer(linear(), MSE{}, SGD{}), kept_trainer = std::move(trainer);
  CHECK(refuses([&] { trainer.stop(); }, "[Trainer] is empty"));
  Schedule schedule = ConstantRate{}, kept_schedule = std::move(schedule);
  CHECK(refuses([&] { schedule.factor(0); }, "[Schedule] is empty"));
  Array array(DType::float32, {3});
  const Array kept_array = std::move(array);
  CHECK(array.values<float>().empty() && Array().values<float>().empty() && kept_array.values<float>().size() == 3);
}

void test_types_and_data() {
  Network network = linear();
  CHECK(network.values<float>("0.weight").size() == 8);
  CHECK(refuses([&] { network.values<std::int64_t>("0.weight"); }, "[Network] holds float32"));
  CHECK(refuses([&] { network.values<std::int32_t>("0.weight"); }, "[Network] holds float32"));
  CHECK(refuses([&] { network.values<double>("0.weight"); }, "[Network] holds float32"));
  const float values[8] = {}, *none = nullptr;
  const ArrayView nothing(none, {1, 8});
  CHECK(refuses([&] { network.predict(nothing); }, "[x] has no data"));
  CHECK(refuses([&] { network.forward(nothing); }, "[x] has no data"));
  Trainer trainer(network, MSE{}, SGD{});
  CHECK(refuses([&] { trainer.step(ArrayView(values, {1, 8}), ArrayView(none, {1, 1})); }, "[y] has no data"));
  CHECK(network.predict(ArrayView(none, {0, 8})).shape()[0] == 0);
  const ArrayView x(values, {1, 8}), y(values, {1, 1}), missing(none, {1});
  CHECK(refuses([&] { trainer.step(x, y, missing); }, "[sample_weight] has no data"));
  CHECK(refuses([&] { network.load_weights({{"0.weight", {none, {1, 8}}}, {"0.bias", missing}}); }, "has no data"));
  CHECK(refuses([&] { balanced_class_weights(missing, 2); }, "[labels] has no data"));
  CHECK(refuses([&] { class_sample_weights(missing, {1, 2}); }, "[labels] has no data"));
  CHECK(refuses([&] { Loss(MSE{}).value_and_grad(y, {none, {1, 1}}); }, "[y] has no data"));
}

void test_arguments() {
  CHECK(refuses([] { sequential({0}, {Dense{1}}); }, "[Sequential] input_shape must be positive"));
  CHECK(refuses([] { sequential({4}, {}); }, "[Sequential] needs at least one layer"));
  Network network = linear();
  const float values[8] = {};
  const ArrayView x(values, {1, 8}), y(values, {1, 1});
  CHECK(refuses([&] { network.predict(x, 0, -1); }, "[predict] threads must not be negative"));
  CHECK(refuses([&] { network.plan(0); }, "[plan] batch_size must be positive"));
  CHECK(refuses([&] { network.profile(0); }, "[profile] batch_size must be positive"));
  CHECK(refuses([&] { network.profile(8, false, 0); }, "[profile] repeats must be positive"));
  CHECK(refuses([&] { network.memory_estimate(-1); }, "[memory_estimate] batch_size must be positive"));
  Trainer trainer(network, MSE{}, SGD{});
  CHECK(refuses([&] { trainer.memory_estimate(0); }, "[memory_estimate] batch_size must be positive"));
  CHECK(refuses([&] { trainer.evaluate({x, y}, {{"mine", Metric()}}); }, "[metrics] \"mine\" has no function"));
  CHECK(refuses([&] { trainer.fit(x, y, {.metrics = {{"mine", Metric()}}}); }, "[metrics] \"mine\" has no function"));
  CHECK(refuses([&] { trainer.fit(Stream{.chunks = [] { return Chunks(); }}); }, "[Stream] chunks must return"));
  CHECK(refuses([&] { trainer.evaluate(Stream{.chunks = [] { return Chunks(); }}); }, "[Stream] chunks must return"));
}

void test_sizes() {
  CHECK(refuses([] { Array(DType::float32, {Dim{1} << 62}); }, "[shape]"));
  CHECK(refuses([] { Array(DType::float32, {-5}); }, "[shape]"));
  CHECK(refuses([] { element_count({0, Dim{1} << 40, Dim{1} << 40}); }, "[shape]"));
  CHECK(element_count({0, 7}) == 0 && element_count({}) == 1 &&
        element_count({Dim{1} << 26, Dim{1} << 26}) == kMostElements);
}

}  // namespace
}  // namespace backpass

int main() {
  backpass::test_networks();
  backpass::test_other_handles();
  backpass::test_arguments();
  backpass::test_types_and_data();
  backpass::test_sizes();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
