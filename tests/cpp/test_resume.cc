// Going on from a checkpoint: with another loss it is refused, with another learning rate it is taken.
#include <unistd.h>

#include <filesystem>

#include "backpass/checkpoint.h"
#include "io_check.h"

namespace backpass {
namespace {

const std::vector<float> kX{0, 1, 2, 3, 4, 5, 6}, kY{1, 3, 5, 7, 9, 11, 13};

ArrayView column(const std::vector<float>& values) { return {values.data(), {static_cast<Dim>(values.size()), 1}}; }

// Fits a network of its own up to so many epochs, with a checkpoint in `path`.
History fit(const std::string& path, int epochs, const Losses& losses, Optimizer optimizer = Adam{},
            TrainerOptions options = {}, const FitHooks& hooks = {}) {
  Trainer trainer(sequential({1}, {Dense{1}}, {.seed = 1}), losses, std::move(optimizer), std::move(options));
  return trainer.fit(column(kX), column(kY), {.epochs = epochs, .hooks = hooks, .checkpoint = resumable(path)});
}

void test_what_is_another_fit(const std::string& path) {
  fit(path, 1, Huber{.delta = 2});
  CHECK(refuses([&] { fit(path, 2, MSE{}); }, "loss was Huber delta=2 when the checkpoint was written, now it is MSE"));
  CHECK(refuses([&] { fit(path, 2, Huber{.delta = 3}); }, "now it is Huber delta=3"));
  CHECK(refuses([&] { fit(path, 2, Losses({Huber{.delta = 2}}, {0.5})); }, "loss_weights was 1 "));
  FitHooks hooks;
  hooks.transform = [](BatchArrays&, std::uint64_t, std::uint64_t) {};
  CHECK(refuses([&] { fit(path, 2, Huber{.delta = 2}, Adam{}, {}, hooks); }, "augment was none"));
  CHECK(fit(path, 2, Huber{.delta = 2})["loss"].size() == 2);
}

void test_another_penalty(const std::string& path) {
  const auto with = [](double factor) {
    TrainerOptions options;
    options.weight_penalty = {l2(factor)};
    return options;
  };
  fit(path, 1, MSE{}, Adam{}, with(0.1));
  CHECK(refuses([&] { fit(path, 2, MSE{}, Adam{}, with(0.2)); }, "weight_penalty was * #"));
  CHECK(fit(path, 2, MSE{}, Adam{}, with(0.1))["loss"].size() == 2);
}

void test_another_learning_rate(const std::string& path) {
  const auto at = [](double rate) { return Optimizer(Adam{.learning_rate = rate}); };
  fit(path, 1, MSE{}, at(0.5));
  Optimizer lower = at(0.25);
  CHECK((fit(path, 2, MSE{}, lower)["learning_rate"] == std::vector<double>{0.5, 0.25}));
  CHECK(lower.learning_rate() == 0.25);
  // What a hook has made of it is gone on from.
  Optimizer halved = at(0.25);
  FitHooks halve;
  halve.epoch_end = [&](int, const Logs&) { halved.set_learning_rate(halved.learning_rate() / 2); };
  fit(path, 3, MSE{}, halved, {}, halve);
  CHECK(fit(path, 4, MSE{}, at(0.25))["learning_rate"].back() == 0.125);
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("backpass_resume_" + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  test_what_is_another_fit(folder / "loss");
  test_another_penalty(folder / "penalty");
  test_another_learning_rate(folder / "rate");
  std::filesystem::remove_all(folder);
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
