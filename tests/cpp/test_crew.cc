// Callers and their crews: several at once, jobs that come and go, forks. Built for ThreadSanitizer, too.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "backpass/backpass.h"
#include "io_check.h"
#include "plan/workers/crew.h"

namespace backpass {
namespace {

constexpr Dim kRows = 96, kColumns = 12;

struct Data {
  std::vector<float> x, y;
  Data() : x(kRows * kColumns), y(kRows * 3) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) / 17;
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<float>(i % 5) / 5;
  }
  ArrayView inputs(Dim rows = kRows) const { return {x.data(), {rows, kColumns}}; }
  ArrayView targets(Dim rows = kRows) const { return {y.data(), {rows, 3}}; }
};

Network network() { return sequential({kColumns}, {Dense{32, "relu"}, Dense{3}}, {.seed = 1}); }

std::vector<float> parameters(Network& net) {
  const float* begin = static_cast<float*>(net.flat_parameters());
  return {begin, begin + net.n_parameters()};
}

// Steps, predictions and a fit; batches of so many sizes that plans are thrown away while helpers may be late.
std::vector<float> trained(int threads) {
  const Data data;
  Network net = network();
  Trainer trainer(net, MSE{}, Adam{}, {.threads = threads});
  for (Dim rows = 64; rows < 64 + 24; ++rows) {
    for (int i = 0; i < 4; ++i) trainer.step(data.inputs(rows), data.targets(rows));
    net.predict(data.inputs(rows), 16, threads);
  }
  FitOptions options;
  options.epochs = 4;
  options.batch_size = 32;
  options.threads = threads;
  options.averages = {EMA{0.9}};
  trainer.fit(data.inputs(), data.targets(), options);
  trainer.evaluate({data.inputs(), data.targets()});
  return parameters(net);
}

void test_bits_do_not_depend_on_helpers() {
  const std::vector<float> alone = trained(1);
  for (const int threads : {2, 3}) CHECK(trained(threads) == alone);
}

void test_callers_at_once() {
  const std::vector<float> alone = trained(1);
  std::vector<std::vector<float>> together(3);
  std::vector<std::thread> callers;
  for (std::vector<float>& own : together) callers.emplace_back([&] { own = trained(2); });
  for (std::thread& caller : callers) caller.join();
  for (const std::vector<float>& own : together) CHECK(own == alone);
}

// Whether a child in which `f` is called exits, in the usual way, with what it gives.
template <class F>
bool ends_well(F f) {
  const pid_t child = fork();
  if (child == 0) std::exit(f() ? 0 : 1);
  int status = 1;
  waitpid(child, &status, 0);
  return status == 0;
}

void test_a_child_makes_its_own() {
  const std::vector<float> alone = trained(1);
  trained(2);
  CHECK(ends_well([&] { return trained(2) == alone; }));
}

// The destructors of the program run while others are still at work.
void test_the_process_ends_while_a_caller_trains() {
  for (int i = 0; i < 20; ++i)
    CHECK(ends_well([] {
      std::thread([] {
        for (;;) trained(2);
      }).detach();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return true;
    }));
}

class Count final : public Job {
 public:
  ~Count() override { Crew::let_go(*this); }
  void work(int) noexcept override { ++entered; }
  std::atomic<int> entered{0};
};

// A job may go as soon as it is not on offer any more, whoever is on the way to it.
void test_jobs_come_and_go() {
  Crew* const crew = Crew::hire(2);
  CHECK(crew != nullptr && crew->helpers() == 1);
  for (int i = 0; i < 20000; ++i) {
    Count count;
    Job* const before = crew->offer(count);
    count.work(0);
    crew->put_back(before);
    CHECK(before == nullptr);
  }
  crew->release();
}

void test_a_shortage_is_told_once() {
  static int asked = 0, times = 0;
  on_thread_shortage([](ThreadShortage shortage) { asked = shortage.asked, ++times; });
  const Data data;
  Network net = network();
  for (const int threads : {100000, 200000}) net.predict(data.inputs(), 0, threads);
  CHECK(asked == 100000 && times == 1);
  on_thread_shortage(nullptr);
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  set_sharing_cut(false);
  test_bits_do_not_depend_on_helpers();
  test_callers_at_once();
  test_jobs_come_and_go();
#if !defined(__SANITIZE_THREAD__)  // which knows no threads after a fork
  test_a_child_makes_its_own();
  test_the_process_ends_while_a_caller_trains();
  test_a_shortage_is_told_once();
#endif
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
