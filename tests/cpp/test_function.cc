// Graphs as functions of arrays: plans that are kept, memory of the caller's, several threads.
#include <cmath>
#include <thread>

#include "backpass/function.h"
#include "io_check.h"

namespace backpass {
namespace {

// f(x) = sum over rows of tanh(x w), and x w itself.
struct Example {
  Tensor x = input({kBatch, 2}, DType::float64, "x"), w = parameter({2, 1}, DType::float64, "w");
  Tensor product = matmul(x, w);
  Function f{Graph({x}, {sum(tanh(product)), product})};
};

void test_results_and_rows() {
  const Example e;
  const std::vector<double> w{2, -1}, x{1, 2, 3, 4, 5, 6};
  const void* leaves[] = {w.data()};
  for (const Dim rows : {3, 1, 3, 0}) {
    const ArrayView view(x.data(), {rows, 2});
    const std::vector<Array> y = e.f(std::span(&view, 1), leaves);
    double expected = 0;
    for (Dim i = 0; i < rows; ++i) {
      const double product = x[static_cast<std::size_t>(2 * i)] * 2 - x[static_cast<std::size_t>(2 * i + 1)];
      expected += std::tanh(product);
      CHECK(y[1].values<double>()[static_cast<std::size_t>(i)] == product);
    }
    CHECK(std::fabs(y[0].values<double>()[0] - expected) < 1e-15);
    CHECK(y[1].shape() == (Shape{rows, 1}));
  }
}

void test_results_lie_where_the_caller_says() {
  const Example e;
  const std::vector<double> w{1, 1}, x{1, 2};
  double total = 0, product = 0;
  const ArrayView view(x.data(), {1, 2});
  const void* leaves[] = {w.data()};
  void* places[] = {&total, &product};
  e.f.run(std::span(&view, 1), leaves, places);
  CHECK(product == 3 && std::fabs(total - std::tanh(3.0)) < 1e-15);
}

void test_other_types_and_strides_are_converted() {
  const Example e;
  const std::vector<double> w{1, 1};
  const std::vector<float> narrow{1, 2, 3, 4};
  const std::vector<double> strided{1, 2, 99, 3, 4, 99};
  const void* leaves[] = {w.data()};
  for (const ArrayView& view : {ArrayView(narrow.data(), {2, 2}),
                                ArrayView(strided.data(), ElementType::float64, {2, 2}, 3 * sizeof(double))}) {
    const std::vector<Array> y = e.f(std::span(&view, 1), leaves);
    CHECK(y[1].values<double>()[0] == 3 && y[1].values<double>()[1] == 7);
  }
}

void test_what_does_not_fit_is_refused() {
  const Example e;
  const std::vector<double> x{1, 2, 3};
  const ArrayView row(x.data(), {3}), none(x.data(), {1, 2});
  CHECK(refuses([&] { e.f(std::span(&row, 1)); }, "[Function: input \"x\"] expected shape (batch, 2), got (3,)"));
  CHECK(refuses([&] { e.f(std::span(&none, 1)); }, "parameter \"w\" has no value"));
  CHECK(refuses([&] { e.f({}); }, "needs 1 inputs, got 0"));
  const Tensor single = input({}), twice = input({}, DType::float64);
  CHECK(refuses([&] { Function(Graph({single, twice}, {exp(single), exp(twice)})); }, "mixes float32 and float64"));
  CHECK(refuses([] { Function().graph(); }, "is empty"));
}

// One address too many would be taken for that of an output.
void test_places_are_as_many_as_there_are() {
  const Example e;
  const std::vector<double> x{1, 2}, w{1, 1};
  const ArrayView view(x.data(), {1, 2});
  double total = 0, product = 0;
  void *places[] = {&total, &product}, *missing[] = {&total, nullptr};
  const void *leaves[] = {w.data()}, *more[] = {w.data(), x.data()}, *none[] = {nullptr};
  CHECK(refuses([&] { e.f.run(std::span(&view, 1), more, places); }, "[Function] has 1 leaves, got places of 2"));
  CHECK(refuses([&] { e.f.run(std::span(&view, 1), none, places); }, "parameter \"w\" has no value"));
  CHECK(refuses([&] { e.f.run(std::span(&view, 1), leaves, missing); }, "[Function] has no place for output 1"));
  CHECK(x[0] == 1 && x[1] == 2 && w[0] == 1 && w[1] == 1);
  const ArrayView hollow(x.data(), {0, 2});
  e.f.run(std::span(&hollow, 1), leaves, missing);  // the output has no elements
  CHECK(total == 0);
}

void test_threads_share_a_function() {
  const Tensor x = input({8}, DType::float64);
  const Function f(Graph({x}, {sum(exp(x))}));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const std::vector<double> values(8, t);
      for (int i = 0; i < 100; ++i)
        if (std::fabs(f({values})[0].values<double>()[0] / (8 * std::exp(t)) - 1) > 1e-14) ++wrong;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

void test_training_is_chosen_once() {
  const Tensor x = input({1000}, DType::float64);
  const Tensor y = sum(dropout(x, 0.5, 1));
  const std::vector<double> ones(1000, 1);
  const ArrayView view = ones;
  const Function calm(Graph({x}, {y})), drops(Graph({x}, {y}), true);
  const auto value = [&](const Function& f, std::uint64_t step) {
    return f(std::span(&view, 1), {}, {.seed = 1, .step = step})[0].values<double>()[0];
  };
  CHECK(value(calm, 0) == 1000 && value(drops, 0) != 1000);
  CHECK(value(drops, 0) == value(drops, 0) && value(drops, 0) != value(drops, 1));
  CHECK(calm.plan().to_string() != drops.plan().to_string());
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_results_and_rows();
  test_results_lie_where_the_caller_says();
  test_other_types_and_strides_are_converted();
  test_what_does_not_fit_is_refused();
  test_places_are_as_many_as_there_are();
  test_threads_share_a_function();
  test_training_is_chosen_once();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
