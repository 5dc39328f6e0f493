// Products and linear algebra as C++ writes them.
#include <cmath>

#include "backpass/linalg.h"
#include "backpass/products.h"
#include "io_check.h"

namespace backpass {
namespace {

using Values = std::vector<double>;

Tensor real(Shape shape, const char* name) { return input(std::move(shape), DType::float64, name); }

Values run(const Graph& graph, const std::vector<Values>& arrays) {
  std::vector<ArrayView> views;
  for (std::size_t i = 0; i < arrays.size(); ++i) views.emplace_back(arrays[i].data(), graph.inputs()[i].shape());
  const Array y = evaluate(graph, views)[0];
  const auto values = y.values<double>();
  return Values(values.begin(), values.end());
}

void test_many_products() {
  const Tensor a = real({2, 1, 2}, "a"), b = real({2, 2, 1}, "b");
  const Tensor y = matmul(a, b);
  CHECK(y.shape() == (Shape{2, 1, 1}) && y.kind() == "batch_matmul");
  CHECK((run(Graph({a, b}, {y}), {{1, 2, 3, 4}, {5, 6, 7, 8}}) == Values{17, 53}));
  CHECK((matmul(a, b, true, true).shape() == Shape{2, 2, 2}));
  CHECK((matmul(real({4, 3}, "c"), real({5, 3}, "d"), false, true).kind() == "matmul"));
  CHECK(refuses([&] { matmul(a, real({3, 2, 1}, "c")); }, "leading dimensions do not broadcast"));
}

void test_named_axes() {
  const Tensor a = real({2, 2}, "a"), b = real({2, 2}, "b");
  const std::vector<Values> arrays{{1, 2, 3, 4}, {5, 6, 7, 8}};
  CHECK((run(Graph({a, b}, {einsum("ij,kj->ki", {a, b})}), arrays) == Values{17, 39, 23, 53}));
  CHECK((run(Graph({a, b}, {tensordot(a, b, {0}, {1})}), arrays) == Values{23, 31, 34, 46}));
  CHECK((run(Graph({a, b}, {dot(a, b)}), arrays) == Values{19, 22, 43, 50}));
  CHECK((run(Graph({a, b}, {vdot(a, b)}), arrays) == Values{70}));
  CHECK((run(Graph({a, b}, {inner(a, b)}), arrays) == Values{17, 23, 39, 53}));
  CHECK(outer(a, b).shape() == (Shape{4, 4}) && kron(a, b).shape() == (Shape{4, 4}));
  CHECK(refuses([&] { einsum("ij,jk", {a}); }, "names 2 operands, got 1"));
}

void test_linear_algebra() {
  const Tensor a = real({2, 2}, "a"), b = real({2}, "b");
  const std::vector<Values> arrays{{4, 2, 2, 10}, {8, 22}};
  CHECK((run(Graph({a}, {linalg::cholesky(a)}), {arrays[0]}) == Values{2, 0, 1, 3}));
  CHECK((run(Graph({a}, {linalg::det(a)}), {arrays[0]}) == Values{36}));
  CHECK(std::fabs(run(Graph({a}, {linalg::logdet(a)}), {arrays[0]})[0] - std::log(36.0)) < 1e-15);
  const Values x = run(Graph({a, b}, {linalg::solve(a, b)}), arrays);
  CHECK(std::fabs(x[0] - 1) < 1e-15 && std::fabs(x[1] - 2) < 1e-15);
  const Values z = run(Graph({a, b}, {linalg::triangular_solve(a, b, {.transpose = true})}), arrays);
  CHECK(std::fabs(z[0] - 0.9) < 1e-15 && std::fabs(z[1] - 2.2) < 1e-15);
  CHECK(refuses([&] { run(Graph({a}, {linalg::inv(a)}), {{1, 2, 2, 4}}); }, "[inv] the matrix is singular"));
  CHECK(refuses([&] { linalg::det(b); }, "square matrices"));
}

void test_decompositions() {
  const Tensor a = real({2, 2}, "a"), b = real({3}, "b"), tall = real({3, 2}, "tall");
  const linalg::Eigen eigen = linalg::eigh(a);
  const Values w = run(Graph({a}, {eigen.values}), {{2, 0, 1, 2}});
  CHECK(std::fabs(w[0] - 1) < 1e-15 && std::fabs(w[1] - 3) < 1e-15);
  const Values slope = run(Graph({a}, {gradients(sum(square(eigen.values)), {a})[0]}), {{2, 0, 1, 2}});
  CHECK(std::fabs(slope[0] - 4) < 1e-14 && std::fabs(slope[1] - 2) < 1e-14);
  const linalg::QR parts = linalg::qr(tall);
  const Values again = run(Graph({tall}, {matmul(parts.q, parts.r)}), {{1, 2, 3, 4, 5, 7}});
  for (std::size_t i = 0; i < 6; ++i) CHECK(std::fabs(again[i] - Values{1, 2, 3, 4, 5, 7}[i]) < 1e-14);
  const Values x = run(Graph({tall, b}, {linalg::lstsq(tall, b)}), {{1, 0, 1, 1, 1, 2}, {1, 3, 5}});
  CHECK(std::fabs(x[0] - 1) < 1e-14 && std::fabs(x[1] - 2) < 1e-14);
  CHECK((run(Graph({a}, {linalg::matrix_power(a, 3)}), {{1, 1, 0, 1}}) == Values{1, 3, 0, 1}));
  CHECK(linalg::pinv(tall).shape() == (Shape{2, 3}));
  CHECK(refuses([&] { linalg::eigh(tall); }, "square matrices"));
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_many_products();
  test_named_axes();
  test_linear_algebra();
  test_decompositions();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
