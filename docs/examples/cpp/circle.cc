// Which points lie within a circle? Data, training, a test, a saved model, predictions, and an error.
#include <backpass/backpass.h>

#include <iostream>
#include <random>

namespace bp = backpass;

int main() try {
  // 1,000 points, two floats each, one after the other; and a label for each: whether it lies within the circle.
  constexpr bp::Dim kRows = 1000, kTrain = 800, kTest = kRows - kTrain;
  std::vector<float> points;         // (kRows, 2)
  std::vector<std::int32_t> labels;  // (kRows)
  std::mt19937 random(0);
  std::uniform_real_distribution<float> coordinate(-1, 1);
  for (bp::Dim row = 0; row < kRows; ++row) {
    const float a = coordinate(random), b = coordinate(random);
    points.insert(points.end(), {a, b});
    labels.push_back(a * a + b * b < 0.5f);
  }

  // Views of them. The first rows are for training, the others for the test.
  const bp::ArrayView x_train{points.data(), {kTrain, 2}}, x_test{points.data() + 2 * kTrain, {kTest, 2}};
  const bp::ArrayView y_train{labels.data(), {kTrain}}, y_test{labels.data() + kTrain, {kTest}};

  bp::Network network = bp::sequential({2}, {bp::Dense{32}, bp::ReLU{}, bp::Dense{2}}, {.seed = 0});
  const bp::CrossEntropy loss;
  bp::Trainer trainer{network, loss, bp::Adam{.learning_rate = 1e-2}};
  const bp::History history = trainer.fit(x_train, y_train, {.epochs = 50, .batch_size = 32});
  std::cout << "loss: " << history["loss"].front() << " to " << history["loss"].back() << '\n';
  const bp::Logs tested = trainer.evaluate({x_test, y_test}, {{"accuracy", bp::metric("accuracy", loss)}});
  for (const auto& [name, value] : tested) std::cout << "test " << name << ": " << value << '\n';

  network.save("circle.safetensors");
  bp::Network loaded = bp::Network::load("circle.safetensors");
  const bp::Array logits = loaded.predict(x_test);  // (kTest, 2)
  const std::span<const float> z = logits.values<float>();
  std::cout << "first point: class " << (z[1] > z[0]) << " for " << labels[kTrain] << '\n';

  try {
    loaded.predict(y_test);
  } catch (const std::invalid_argument& error) {
    std::cout << "refused: " << error.what() << '\n';
  }
} catch (const std::exception& error) {
  std::cerr << "circle: " << error.what() << '\n';
  return 1;
}
