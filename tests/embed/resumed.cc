// A fit that is interrupted in the middle of an epoch, and goes on from its checkpoint; on arrays, and on a stream.
//
//   resumed FOLDER    writes checkpoints to FOLDER; exits with 1 where the bits are not those of a fit in one piece

#include <backpass/backpass.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

namespace bp = backpass;

namespace {

constexpr bp::Dim kRows = 50;

struct Interrupted {};

std::vector<float> values(double frequency) {
  std::vector<float> result;
  for (bp::Dim i = 0; i < 2 * kRows; ++i)
    result.push_back(static_cast<float>(std::sin(frequency * static_cast<double>(i))));
  return result;
}

const std::vector<float> x = values(0.7), y = values(1.3);

// Rows [begin, begin + count).
bp::TrainingData rows(bp::Dim begin, bp::Dim count) {
  return {bp::ArrayView(x.data() + 2 * begin, {count, 2}), bp::ArrayView(y.data() + 2 * begin, {count, 2})};
}

// Chunks of 15 rows and less.
bp::Chunks chunks() {
  return [begin = bp::Dim{0}]() mutable -> std::optional<bp::TrainingData> {
    if (begin == kRows) return {};
    const bp::Dim count = std::min<bp::Dim>(15, kRows - begin), at = begin;
    begin += count;
    return rows(at, count);
  };
}

// The parameters after three epochs; `last`: the batch, of all, in which the fit is interrupted.
std::vector<float> train(const std::string& path, bool stream, bp::Dim last) {
  bp::Network network = bp::sequential(
      {2}, {bp::Dense{.units = 8, .activation = "relu"}, bp::Dropout{0.2}, bp::Dense{.units = 2}}, {.seed = 1});
  bp::Trainer trainer(network, bp::MSE{}, bp::Adam{.learning_rate = 0.01});
  bp::FitOptions options{.epochs = 3, .batch_size = 8, .checkpoint = bp::resumable(path)};
  options.checkpoint.every_batches = 2;
  bp::Dim batches = 0;
  options.hooks.batch_end = [&](bp::Dim, double) {
    if (++batches == last) throw Interrupted();
  };
  try {
    stream ? trainer.fit(bp::Stream{chunks}, options) : trainer.fit(rows(0, kRows), options);
  } catch (const Interrupted&) {
  }
  const auto* begin = static_cast<const float*>(network.flat_parameters());
  return {begin, begin + network.n_parameters()};
}

bool goes_on(const std::string& folder, bool stream) {
  const std::string name = folder + (stream ? "/stream" : "/arrays");
  const std::vector<float> whole = train(name + ".whole", stream, 0);
  train(name + ".parts", stream, 6);
  train(name + ".parts", stream, 7);
  return train(name + ".parts", stream, 0) == whole;
}

}  // namespace

int main(int, char** arguments) {
  const bool same = goes_on(arguments[1], false) && goes_on(arguments[1], true);
  std::cout << (same ? "the same bits\n" : "other bits\n");
  return same ? 0 : 1;
}
