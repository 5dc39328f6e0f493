// One network in several threads, a layer that calls its own network, and long calls that are ended from outside.
//
//   at_once    prints what held; exits with 1 where something does not

#include <backpass/backpass.h>

#include <atomic>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

namespace bp = backpass;

namespace {

void check(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what + " does not hold");
  std::cout << what << '\n';
}

// What a call throws.
template <class Error, class Call>
std::string thrown(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

void predict_at_once() {
  bp::Network network = bp::sequential({8}, {bp::Dense{64, "tanh"}, bp::Dense{3}}, {.seed = 1});
  const std::vector<float> x(8 * 100, 0.5f);
  const bp::ArrayView view{x.data(), {100, 8}};
  const bp::Array expected = network.predict(view);
  std::atomic<int> same = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int turn = 0; turn < 50; ++turn) {
        const bp::Array y = network.predict(view);
        same += std::equal(y.values<float>().begin(), y.values<float>().end(), expected.values<float>().begin());
      }
    });
  for (std::thread& thread : threads) thread.join();
  check(same == 200, "several threads predict the same");
}

void no_way_back() {
  bp::Network network;
  std::string caught;
  bp::HostFunction function{"Back", [&](const std::vector<bp::ArrayView>& inputs) {
                              caught = thrown<std::runtime_error>([&] { network.predict(inputs[0]); });
                              return bp::Array(bp::DType::float32, inputs[0].shape);
                            }};
  const bp::Tensor x = bp::input({bp::kBatch, 4});
  network = bp::Network({x}, {bp::host_call(function, {x}, {bp::kBatch, 4}) * 2.0});
  const std::vector<float> rows(8, 1.0f);
  network.predict(bp::ArrayView{rows.data(), {2, 4}});
  check(caught.find("from within its own call") != std::string::npos, "a layer cannot call its own network");
}

struct Ended : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void end_long_calls() {
  bp::Network network = bp::sequential({512}, {bp::Dense{512, "tanh"}, bp::Dense{512}}, {.seed = 1});
  const std::vector<float> x(512 * 4000, 0.5f);
  const bp::ArrayView rows{x.data(), {4000, 512}};
  bp::Trainer trainer(network, bp::MSE{}, bp::SGD{});
  const bp::Interrupt interrupt([] { throw Ended("ended"); });
  const auto loops = [](auto call) {  // a question comes within 50 milliseconds
    return thrown<Ended>([&] {
      for (int turn = 0; turn < 100000; ++turn) call();
    });
  };
  check(loops([&] { network.predict(rows); }) == "ended", "a prediction ends");
  check(thrown<Ended>([&] { trainer.fit(rows, rows, {.epochs = 100000, .batch_size = 4000}); }) == "ended",
        "a fit ends");
  check(loops([&] { trainer.step(rows, rows); }) == "ended", "a step ends");
}

}  // namespace

int main() try {
  predict_at_once();
  no_way_back();
  end_long_calls();
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
