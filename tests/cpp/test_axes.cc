// Reductions, indexing, lookups and sorting as a C++ program writes them.
#include <cmath>

#include "backpass/backpass.h"
#include "io_check.h"

namespace backpass {
namespace {

using Doubles = std::vector<double>;
const std::vector<Dim> kFirst{0}, kLast{1};  // axes

// The values of a tensor of x (2, 3) = {{3, 1, 2}, {0, 5, 4}}.
Doubles values(const Tensor& x, const Tensor& y) {
  const Doubles elements{3, 1, 2, 0, 5, 4};
  const Array result = evaluate(Graph({x}, {y}), {ArrayView(elements.data(), {2, 3})})[0];
  Doubles found;
  for (Dim i = 0; i < element_count(result.shape()); ++i)
    found.push_back(result.dtype() == DType::int32 ? static_cast<const std::int32_t*>(result.data())[i]
                                                   : static_cast<const double*>(result.data())[i]);
  return found;
}

void test_reductions(const Tensor& x) {
  CHECK(values(x, max(x, kLast)) == Doubles({3, 5}));
  CHECK(values(x, min(x)) == Doubles({0}));
  CHECK(values(x, prod(x, kFirst)) == Doubles({0, 5, 8}));
  CHECK(values(x, var(x, {}, 1)) == Doubles({3.5}));
  CHECK(values(x, argmax(x, 1)) == Doubles({0, 1}));
  CHECK(values(x, cumsum(x, 1)) == Doubles({3, 4, 6, 0, 5, 9}));
  CHECK(values(x, any(x, kLast)) == Doubles({1, 1}));
  CHECK(values(x, all(x, kLast)) == Doubles({1, 0}));
  CHECK(values(x, gradients(sum(prod(x, kLast)), {x})[0]) == Doubles({2, 6, 3, 20, 0, 0}));
}

void test_indexing(const Tensor& x) {
  CHECK(values(x, index(x, {Ellipsis{}, Dim{-1}})) == Doubles({2, 4}));
  CHECK(values(x, index(x, {Dim{1}, IndexRange{{}, {}, -2}})) == Doubles({4, 0}));
  CHECK(index(x, {NewAxis{}, IndexRange{1, {}}}).shape() == Shape({1, 1, 3}));
  const Tensor places = constant(Doubles{-1, 0}, {2}, DType::int32);
  CHECK(values(x, index_axes(x, {places}, 1)) == Doubles({2, 3, 4, 0}));
  CHECK(values(x, take_along_axis(x, reshape(places, {2, 1}), 1)) == Doubles({2, 0}));
  try {
    index(x, {Dim{2}});
    CHECK(false);
  } catch (const std::out_of_range& error) {
    CHECK(std::string(error.what()) == "[Tensor] index 2 is out of range in axis 0 of (2, 3)");
  }
  CHECK(refuses([&] { max(slice(x, 1, 0, 0), kLast); }, "[max] of no elements is not defined"));
}

void test_shapes_and_sorting(const Tensor& x) {
  CHECK(values(x, sort(x, 1, true)) == Doubles({3, 2, 1, 5, 4, 0}));
  CHECK(values(x, topk(x, 1).indices) == Doubles({0, 1}));
  CHECK(values(x, pad(x, {{1, 0}}, PadMode::edge)) == Doubles({3, 3, 1, 2, 0, 0, 5, 4}));
  CHECK(values(x, concat(split(x, 3, 1), 0)) == Doubles({3, 0, 1, 5, 2, 4}));
  CHECK(values(x, roll(flip(x, kLast), 1, 1)) == Doubles({3, 2, 1, 0, 4, 5}));
  CHECK(values(x, one_hot(argmax(x, 1), 3, DType::float64)) == Doubles({1, 0, 0, 0, 1, 0}));
  CHECK(values(x, trace(matmul(x, transpose(x)))) == Doubles({14 + 41}));
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  const Tensor x = input({2, 3}, DType::float64);
  test_reductions(x);
  test_indexing(x);
  test_shapes_and_sorting(x);
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
