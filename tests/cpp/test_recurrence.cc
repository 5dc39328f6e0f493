// Recurrent layers from C++: windows of a series with carried states, training, files, and what is refused.
#include <cmath>
#include <cstdint>
#include <filesystem>

#include "backpass/trainer.h"
#include "io_check.h"

namespace backpass {
namespace {

constexpr Dim kSteps = 6, kFeatures = 2, kHidden = 3;

std::vector<double> numbers(std::size_t count, double start) {
  std::vector<double> made(count);
  for (std::size_t i = 0; i < count; ++i) made[i] = std::sin(start + 1.7 * static_cast<double>(i));
  return made;
}

// One network whose layer walks through all steps, and through two halves.
void test_states_are_carried_from_window_to_window() {
  const Tensor x = input({kBatch, kSteps, kFeatures}, DType::float64);
  const Layer lstm = LSTM{{.hidden_size = kHidden, .return_state = true}};
  const std::vector<Tensor> all = with_states(lstm, {x}, "lstm");
  const std::vector<Tensor> first = with_states(lstm, {slice(x, 1, 0, 2)}, "lstm");
  const std::vector<Tensor> second = with_states(lstm, {slice(x, 1, 2, kSteps), first[1], first[2]}, "lstm");
  CHECK(all.size() == 3);
  CHECK(all[1].shape() == Shape({kBatch, 1, kHidden}));
  Network net({x}, {all[0], concat({first[0], second[0]}, 1), all[2], second[2]}, {.seed = 1});
  CHECK(net.parameters().size() == 4);
  CHECK(net.parameters()[0].name == "lstm.weight_ih_l0");
  const std::vector<double> values = numbers(4 * kSteps * kFeatures, 0.2);
  const std::vector<Array> made = net.predict_all(ArrayView{values.data(), {4, kSteps, kFeatures}});
  for (std::size_t pair = 0; pair < 4; pair += 2)
    for (std::size_t i = 0; i < made[pair].values<double>().size(); ++i)
      CHECK(std::abs(made[pair].values<double>()[i] - made[pair + 1].values<double>()[i]) < 1e-14);
}

void test_networks_train_and_are_saved() {
  Network net =
      sequential({kSteps, kFeatures},
                 {GRU{{.hidden_size = 8, .num_layers = 2, .bidirectional = true, .return_sequences = false}}, Dense{1}},
                 {.seed = 3, .dtype = DType::float64});
  const std::vector<double> x = numbers(8 * kSteps * kFeatures, 0), y = numbers(8, 2);
  const ArrayView given{x.data(), {8, kSteps, kFeatures}}, wanted{y.data(), {8, 1}};
  Trainer trainer(net, MSE{}, Adam{.learning_rate = 0.01});
  const double first = trainer.step(given, wanted);
  double last = first;
  for (int i = 0; i < 300; ++i) last = trainer.step(given, wanted);
  CHECK(last < first / 4);
  const std::string path = (std::filesystem::temp_directory_path() / "backpass_recurrence.safetensors").string();
  net.save(path);
  Network loaded = Network::load(path);
  std::filesystem::remove(path);
  const Array own = net.predict(given), other = loaded.predict(given);
  for (std::size_t i = 0; i < 8; ++i) CHECK(own.values<double>()[i] == other.values<double>()[i]);
}

void test_what_does_not_fit_is_refused() {
  const Tensor x = input({kBatch, kSteps, kFeatures});
  CHECK(refuses([&] { with_states(LSTM{{.hidden_size = 2}}, {x}); }, "[LSTM] gives no states"));
  CHECK(refuses([&] { Layer(LSTM{{.hidden_size = 2}}).call({x, x}); }, "two first states, h and c"));
  CHECK(refuses([&] { Layer(RNN{{.hidden_size = 2}, "gelu"})(x); }, "[RNN] nonlinearity"));
  CHECK(refuses([&] { Layer(GRUCell{{.hidden_size = 2}})(x); }, "[GRUCell] takes numbers (batch, features)"));
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_states_are_carried_from_window_to_window();
  test_networks_train_and_are_saved();
  test_what_does_not_fit_is_refused();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
