// Numbers as a C++ program meets them: its floating-point traps, and targets that a loss does not take.
#include <cfenv>

#include "backpass/backpass.h"
#include "io_check.h"

namespace backpass {
namespace {

// Rows fewer than a vector, so that there are lanes to throw away; exp that underflows and a logit beyond its range.
void train_a_little() {
  Network network = sequential({7}, {LayerNorm{}, Dense{5}, SiLU{}, RMSNorm{}, BatchNorm{}, Dense{3}}, {.seed = 1});
  Trainer trainer(network, CrossEntropy{}, Adam{1e-2});
  std::vector<float> x(21);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 5) * 100;
  const std::vector<std::int32_t> y{0, 1, 2};
  for (int step = 0; step < 3; ++step) trainer.step(ArrayView(x.data(), {3, 7}), ArrayView(y.data(), {3}));
  CHECK(network.predict(ArrayView(x.data(), {3, 7})).shape() == Shape({3, 3}));
}

#if defined(__GLIBC__) && defined(__x86_64__)
void test_traps_of_the_program_are_not_ours() {
  feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW);
  train_a_little();
  CHECK(fegetexcept() == (FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW));
  CHECK(std::fetestexcept(FE_DIVBYZERO | FE_INVALID) == 0);
  fedisableexcept(FE_ALL_EXCEPT);
}
#else
void test_traps_of_the_program_are_not_ours() { train_a_little(); }
#endif

template <class L>
bool refuses_target(L loss, std::vector<double> y, const char* why) {
  const std::vector<double> p(y.size(), 0.5);
  const Dim n = static_cast<Dim>(y.size());
  return refuses(
      [&] {
        Loss(loss).value_and_grad(ArrayView(p.data(), {n / 2, 2}), ArrayView(y.data(), {n / 2, 2}));
      },
      why);
}

void test_targets_outside_a_domain_are_refused() {
  CHECK(refuses_target(BinaryCrossEntropy{}, {0, 1, 1, 2}, "got 2 in row 1"));
  CHECK(refuses_target(Poisson{}, {0, -1, 1, 2}, "got -1 in row 0"));
  CHECK(refuses_target(CrossEntropy{}, {0, 1, 1, 1}, "got a sum of 2 in row 1"));
  CHECK(!refuses_target(CrossEntropy{}, {0, 1, 0.5, 0.5}, "row"));
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_traps_of_the_program_are_not_ours();
  test_targets_outside_a_domain_are_refused();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
