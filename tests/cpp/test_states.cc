// States that are handed out are copies, and what holds one may serve another network.
#include "backpass/averages.h"
#include "backpass/watchers.h"
#include "io_check.h"

namespace backpass {
namespace {

Network linear(Dim inputs) { return sequential({inputs}, {Dense{1}}, {.seed = 1}); }

float* parameters(Network& network) { return static_cast<float*>(network.flat_parameters()); }

float first(const Average& average, Network copy) {
  average.apply(copy);
  return parameters(copy)[0];
}

void test_averages_share_nothing() {
  Network network = linear(3);
  Average one = EMA{0.5}, other = EMA{0.5};
  one.update(network);
  AverageState state = one.state();
  other.load_state(state);
  const float before = first(one, network.clone());
  parameters(network)[0] += 8;
  other.update(network);
  CHECK(first(one, network.clone()) == before);
  CHECK(state.values.values<float>()[0] == before);
  state.values.values<float>()[0] = 100;
  CHECK(first(one, network.clone()) == before && first(other, network.clone()) > before + 3);
}

void test_watchers_share_nothing() {
  Network network = linear(3);
  Optimizer sgd = SGD{};
  EarlyStopping one({.monitor = "loss"}), other({.monitor = "loss"});
  one.epoch_end(network, sgd, 0, {{"loss", 2.0}});
  const float before = parameters(network)[0];
  other.load_state(one.state());
  parameters(network)[0] += 8;
  other.epoch_end(network, sgd, 1, {{"loss", 1.0}});
  one.fit_end(network);
  CHECK(parameters(network)[0] == before);
  other.fit_end(network);
  CHECK(parameters(network)[0] == before + 8);
}

void test_a_watcher_serves_a_larger_network() {
  Network small = linear(1), large = linear(1000);
  Optimizer sgd = SGD{};
  EarlyStopping stopping({.monitor = "loss"});
  stopping.epoch_end(small, sgd, 0, {{"loss", 2.0}});
  CHECK(refuses([&] { stopping.fit_end(large); }, "another network"));
  stopping.epoch_end(large, sgd, 1, {{"loss", 1.0}});
  const float before = parameters(large)[1000];
  parameters(large)[1000] += 8;
  stopping.fit_end(large);
  CHECK(parameters(large)[1000] == before);
}

void test_streams_need_chunks() {
  Trainer trainer(linear(1), MSE{}, SGD{});
  const std::vector<float> x = {1, 2};
  const ArrayView rows(x.data(), {2, 1});
  CHECK(refuses([&] { trainer.evaluate(Stream{}); }, "[Stream] needs a function that gives chunks"));
  FitOptions options;
  options.validation_stream = Stream{};
  CHECK(refuses([&] { trainer.fit(rows, rows, options); }, "[Stream] needs a function that gives chunks"));
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_averages_share_nothing();
  test_watchers_share_nothing();
  test_a_watcher_serves_a_larger_network();
  test_streams_need_chunks();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
