// Tells two spirals apart: makes the data, trains a network, saves it, predicts; or goes on with a saved one.
//
//   spirals train   MODEL INPUTS PREDICTIONS    a new network, trained and saved to MODEL
//   spirals resume  MODEL INPUTS PREDICTIONS    the network of MODEL, trained on and saved again
//   spirals predict MODEL INPUTS PREDICTIONS    the network of MODEL as it is
//
// INPUTS and PREDICTIONS are written as plain float32, row after row, for others to compare with.

#include <backpass/backpass.h>

#include <cmath>
#include <fstream>
#include <iostream>
#include <numbers>
#include <string>
#include <vector>

namespace bp = backpass;

namespace {

constexpr bp::Dim kRows = 400;

struct Data {
  std::vector<float> x;              // (rows, 2)
  std::vector<std::int32_t> labels;  // (rows)
};

// Two arms of one and a half turns, the second half a turn behind the first.
Data make_spirals() {
  Data data;
  for (bp::Dim i = 0; i < kRows; ++i) {
    const int arm = static_cast<int>(i % 2);
    const double t = static_cast<double>(i) / kRows;
    const double angle = 3 * std::numbers::pi * t + arm * std::numbers::pi;
    data.x.push_back(static_cast<float>((0.1 + t) * std::cos(angle)));
    data.x.push_back(static_cast<float>((0.1 + t) * std::sin(angle)));
    data.labels.push_back(arm);
  }
  return data;
}

bp::Network new_network() {
  return bp::sequential({2}, {bp::Dense{32}, bp::Tanh{}, bp::Dense{32}, bp::ReLU{}, bp::Dense{2}}, {.seed = 7});
}

double train(bp::Network& network, const Data& data, int epochs) {
  bp::Trainer trainer{network, bp::CrossEntropy{}, bp::Adam{.learning_rate = 1e-2}};
  const bp::ArrayView x{data.x.data(), {kRows, 2}};
  const bp::History history = trainer.fit(x, data.labels, {.epochs = epochs, .batch_size = 64, .seed = 1});
  return history["loss"].back();
}

double accuracy(const bp::Array& logits, const Data& data) {
  int right = 0;
  const auto z = logits.values<float>();
  for (std::size_t i = 0; i < data.labels.size(); ++i) right += (z[2 * i + 1] > z[2 * i]) == (data.labels[i] == 1);
  return static_cast<double>(right) / static_cast<double>(data.labels.size());
}

void write(const std::string& path, const float* values, std::size_t count) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values), static_cast<std::streamsize>(count * sizeof(float)));
  if (!file) throw std::runtime_error("cannot write " + path);
}

void run(const std::string& command, const std::string& model, const std::string& inputs,
         const std::string& predictions) {
  const Data data = make_spirals();
  bp::Network network = command == "train" ? new_network() : bp::Network::load(model);
  if (command != "predict") {
    std::cout << "loss " << train(network, data, command == "train" ? 200 : 20) << '\n';
    network.save(model);
  }
  const bp::Array logits = network.predict({data.x.data(), {kRows, 2}});
  std::cout << "accuracy " << accuracy(logits, data) << '\n';
  write(inputs, data.x.data(), data.x.size());
  write(predictions, logits.values<float>().data(), logits.values<float>().size());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc == 5 ? argv[1] : "";
  if (command != "train" && command != "resume" && command != "predict") {
    std::cerr << "usage: spirals train|resume|predict MODEL INPUTS PREDICTIONS\n";
    return 2;
  }
  try {
    run(command, argv[2], argv[3], argv[4]);
  } catch (const std::exception& error) {
    std::cerr << "spirals: " << error.what() << '\n';
    return 1;
  }
}
