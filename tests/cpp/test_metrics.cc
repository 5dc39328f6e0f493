// Metrics as functions of arrays: what does not belong together is refused, wherever the arrays come from.
#include <cmath>

#include "backpass/losses.h"
#include "backpass/trainer.h"
#include "io_check.h"

namespace backpass {
namespace {

const std::vector<float> kScores{.1f, .2f, .7f, .3f, .4f, .3f};

double of_labels(const char* name, const std::vector<std::int32_t>& labels) {
  return metric(name, CrossEntropy{})(labels, ArrayView(kScores.data(), {2, 3}));
}

double of_numbers(const char* name, const Loss& loss, const std::vector<float>& targets, Dim rows) {
  const Dim columns = static_cast<Dim>(targets.size()) / rows;
  return metric(name, loss)(ArrayView(targets.data(), {rows, columns}), ArrayView(kScores.data(), {2, 3}));
}

void test_labels_are_classes() {
  CHECK(of_labels("accuracy", {2, 0}) == 0.5);
  CHECK(of_labels("top_2", {2, 1}) == 1);
  for (const char* name : {"accuracy", "f1", "top_1", "auc", "log_loss"})
    for (const std::int32_t label : {3, 100'000'000, -1})
      CHECK(refuses([&] { of_labels(name, {1, label}); }, "labels must be in [0, 3)"));
}

void test_rows_and_columns_agree() {
  CHECK(refuses([] { of_labels("accuracy", {1}); }, "targets have 1 rows, predictions 2"));
  for (const char* name : {"mae", "r2", "max_error"})
    CHECK(refuses([&] { of_numbers(name, MSE{}, {1, 0}, 2); }, "targets have 1 values per row, predictions 3"));
  for (const char* name : {"accuracy", "precision", "auc", "log_loss"})
    CHECK(refuses([&] { of_numbers(name, BinaryCrossEntropy{}, {1, 0}, 2); }, "targets have 1 values per row"));
  CHECK(refuses([] { of_numbers("accuracy", CrossEntropy{}, {1, 0, 0, 1}, 2); }, "targets have 2 values per row"));
}

void test_rows_may_lie_apart_and_anywhere() {
  struct [[gnu::packed]] Record {
    char before;
    float values[3];
  };
  const Record records[2] = {{0, {1, 0, 0}}, {0, {0, 1, 0}}};
  const ArrayView targets(reinterpret_cast<const std::byte*>(records) + 1, ElementType::float32, {2, 3},
                          sizeof(Record));
  const double error = metric("mae")(targets, ArrayView(kScores.data(), {2, 3}));
  CHECK(std::fabs(error - (.9 + .2 + .7 + .3 + .6 + .3) / 6) < 1e-6);
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_labels_are_classes();
  test_rows_and_columns_agree();
  test_rows_may_lie_apart_and_anywhere();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
