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

// Its outputs are what its maker says.
struct Own {
  OutputKind kind = OutputKind::unknown;
  std::string type() const { return "Own"; }
  Attributes attributes() const { return {}; }
  OutputKind output_kind() const { return kind; }
  Tensor build(const Tensor& p, const Tensor& t, const Tensor& w) const { return MSE{}.build(p, t, w); }
};

double of_one(const char* name, const Loss& loss, const std::vector<float>& targets,
              const std::vector<float>& outputs) {
  const Dim rows = static_cast<Dim>(targets.size());
  return metric(name, loss)(ArrayView(targets.data(), {rows, 1}), ArrayView(outputs.data(), {rows, 1}));
}

void test_yes_and_no_are_of_either_kind() {
  const std::vector<float> outputs{-2, .25f, .75f, 3};
  for (const Loss& loss : {Loss(MSE{}), Loss(Own{}), Loss(BinaryCrossEntropy{})})
    CHECK(of_one("accuracy", loss, {-1, 1, 1, -1}, outputs) == .75);
  CHECK(of_one("accuracy", MSE{}, {0, 1, 1, 0}, outputs) == .5);
  CHECK(of_one("accuracy", BinaryCrossEntropy{}, {0, 1, 1, 0}, outputs) == .75);
  CHECK(of_one("accuracy", Own{OutputKind::yes_no_logits}, {0, 1, 1, 0}, outputs) == .75);
  CHECK(of_one("auc", Own{}, {0, 1, 1, 0}, outputs) == .5);
  CHECK(refuses([&] { of_one("accuracy", Own{}, {0, 1, 1, 0}, outputs); }, "cannot tell whether outputs are logits"));
}

void test_real_targets_are_no_decisions() {
  for (const char* name : {"accuracy", "recall", "auc", "log_loss"})
    for (const Loss& loss : {Loss(MSE{}), Loss(Own{})})
      CHECK(refuses([&] { of_one(name, loss, {0, 1, 2.5f}, {0, 1, 1}); }, "got 2.5 in row 2"));
  CHECK(refuses([] { of_numbers("f1", MSE{}, {1, 1, 0, 0, 0, 1}, 2); }, "one class in each row"));
  CHECK(refuses([] { of_one("log_loss", MSE{}, {0, 1}, {.5f, 1.5f}); }, "got the output 1.5 for row 1"));
  CHECK(of_one("log_loss", MSE{}, {-1, 1}, {.5f, .5f}) == std::log(2.0));
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
  test_yes_and_no_are_of_either_kind();
  test_real_targets_are_no_decisions();
  test_rows_may_lie_apart_and_anywhere();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
