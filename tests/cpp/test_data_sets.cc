// Data sets of any kind in one fit: arrays and streams, with metrics, for training and for validation.
#include <cmath>
#include <utility>

#include "backpass/trainer.h"
#include "io_check.h"

namespace backpass {
namespace {

constexpr Dim kRows = 4;
const std::vector<double> kX{-1, -0.5, 0.2, 0.5, 1, 1.5, -0.3, 0.7};

ArrayView x() { return {kX.data(), {kRows, 2}}; }

Network network() {
  return sequential({2}, {Dense{.units = 3, .activation = "tanh"}, Dense{3}}, {.seed = 3, .dtype = DType::float64});
}

// A stream beside arrays, two batches of each in one update, metrics, and sets to validate on.
void test_data_sets_of_any_kind() {
  Network net = network(), other = network();
  const std::vector<double> zeros(3 * kRows);
  const TrainingData squares{x(), ArrayView{zeros.data(), {kRows, 3}}};
  const auto chunks = [&squares]() -> Chunks {
    return [&squares, given = false]() mutable {
      return std::exchange(given, true) ? std::optional<TrainingData>() : std::optional(squares);
    };
  };
  const DataSet arrays{.data = squares, .batch_size = kRows, .name = "arrays"};
  const DataSet stream{.batch_size = kRows,
                       .weight = 0.5,
                       .name = "stream",
                       .stream = Stream{chunks},
                       .metrics = Metrics{{"mae", metric("mae")}}};
  const FitOptions options{.epochs = 3, .accumulate = 2, .shuffle = false, .validation_sets = {arrays, stream}};
  Trainer trainer(net, MSE{}, SGD{.learning_rate = 0.1}), plain(other, MSE{}, SGD{.learning_rate = 0.15});
  const History history = trainer.fit({arrays, stream}, options);
  std::vector<std::string> columns;
  for (const auto& column : history.columns) columns.push_back(column.first);
  CHECK((columns == std::vector<std::string>{"loss", "loss_arrays", "loss_stream", "mae_stream", "val_loss",
                                             "val_loss_arrays", "val_loss_stream", "val_mae_stream", "learning_rate"}));
  // Both hold the same rows, all in one batch: 1.5 times their gradient.
  plain.fit(squares, {.epochs = 3, .batch_size = kRows, .shuffle = false});
  const double *a = static_cast<const double*>(net.flat_parameters()),
               *b = static_cast<const double*>(other.flat_parameters());
  for (Dim i = 0; i < net.n_parameters(); ++i) CHECK(std::fabs(a[i] - b[i]) < 1e-14);
  const Logs logs = trainer.evaluate({arrays, stream});
  CHECK(logs.size() == 4 && logs[3].first == "mae_stream" && logs[3].second == history["val_mae_stream"].back());
  Trainer whole(other, MSE{}, LBFGS{});
  CHECK(refuses([&] { whole.fit({arrays, stream}); }, "takes arrays"));
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_data_sets_of_any_kind();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
