// Networks that share parameters: where these live, who trains them, and who is kept out.
#include <cstring>
#include <thread>

#include "backpass/averages.h"
#include "backpass/backpass.h"
#include "io_check.h"
#include "nn/network_impl.h"

namespace backpass {
namespace {

const std::vector<float> kNoise(24, 0.5f), kPoints(16, -0.25f), kOnes(8, 1.0f);
const ArrayView noise(kNoise.data(), {8, 3}), points(kPoints.data(), {8, 2}), ones(kOnes.data(), {8, 1});

std::string bits(const Network& network) {
  std::string all;
  for (const auto& [name, array] : network.state_dict())
    all.append(static_cast<const char*>(array.data()), array.bytes());
  return all;
}

struct Gan {
  Network generator = sequential({3}, {Dense{4, "relu"}, Dense{2}}, {.seed = 0});
  Network critic = sequential({2}, {Dense{4, "tanh"}, Dense{1}}, {.seed = 1});
  Network both = joined();

  Network joined() const {
    const Tensor z = input({kBatch, 3});
    return Network({z}, {critic(generator(z))});
  }
};

void test_a_gan() {
  Gan gan;
  gan.both.freeze(gan.critic);
  CHECK(gan.both.frozen() == std::vector<std::string>({"2.weight", "2.bias", "3.weight", "3.bias"}));
  Trainer of_critic(gan.critic, BinaryCrossEntropy{}, Adam{}), of_both(gan.both, BinaryCrossEntropy{}, Adam{});
  const std::string generator = bits(gan.generator), critic = bits(gan.critic);
  of_both.step(noise, ones);
  CHECK(bits(gan.critic) == critic && bits(gan.generator) != generator);
  const std::string trained = bits(gan.generator);
  of_critic.step(points, ones);
  CHECK(bits(gan.critic) != critic && bits(gan.generator) == trained);
  CHECK(bits(gan.both) == bits(gan.generator) + bits(gan.critic));
  CHECK(refuses([&] { gan.generator.freeze(gan.critic); }, "[freeze] the network uses no parameters of the other"));
}

void test_layers_keep_their_values() {
  const std::vector<Layer> layers = {Dense{4, "tanh"}, Dense{2}};
  Network trained = sequential({3}, layers, {.seed = 0});
  Network head = sequential({3}, {layers[0], Dense{1}}, {.seed = 5});
  CHECK(std::memcmp(head.values<float>("0.weight").data(), trained.values<float>("0.weight").data(), 48) == 0);
  CHECK(head.values<float>("0.weight").data() == trained.values<float>("0.weight").data());
  Network fresh = sequential({3}, {layers[0].copy(), layers[1].copy()}, {.seed = 0});
  CHECK(fresh.values<float>("0.weight").data() != trained.values<float>("0.weight").data());
  CHECK(bits(fresh) == bits(trained));
  CHECK(refuses([&] { sequential({7}, layers); }, "a layer has one set of weights, a copy of it has others"));
  CHECK(refuses([&] { head.flat_parameters(); }, "has parameters in several homes"));
}

void test_parts() {
  Network whole = sequential({3}, {Dense{4, "tanh"}, Dense{2}}, {.seed = 0});
  const std::vector<LayerTrace> trace = whole.trace();
  const Network features = whole.sub(whole.graph().inputs(), {trace[0].a}), end = whole.sub({trace[0].a}, {trace[1].a});
  const Array y = Network(end).predict(Network(features).predict(noise)), wanted = whole.predict(noise);
  CHECK(std::memcmp(y.data(), wanted.data(), y.bytes()) == 0);
  CHECK(features.n_parameters() == 16 && end.n_parameters() == 10);
  CHECK(Network(features).flat_parameters() == whole.flat_parameters());
  CHECK(Network(end).flat_parameters() == whole.values<float>("1.weight").data());
}

// Everything that sweeps over parameters does so as over one home.
void test_bits_of_one_home() {
  Gan gan;
  Network one = gan.both.clone(), two = gan.both;
  for (Network* network : {&one, &two}) {
    Trainer trainer(*network, BinaryCrossEntropy{}, Optimizer(Adam{.learning_rate = 0.1}, {.clip_norm = 0.01}));
    Average average = EMA{0.5};
    for (int i = 0; i < 5; ++i) {
      trainer.step(noise, ones);
      average.update(*network);
    }
    average.swap(*network);
  }
  CHECK(bits(one) == bits(two));
  CHECK(one.flat_parameters() != nullptr);
}

void test_copies_and_files() {
  Gan gan;
  const std::string before = bits(gan.both);
  Network copy = gan.both.clone();
  const std::string file = gan.both.serialize();
  Network loaded = Network::deserialize(bytes_of(file));
  for (Network* other : {&copy, &loaded}) {
    CHECK(bits(*other) == before);
    std::memset(other->flat_parameters(), 0, 4);
    CHECK(bits(gan.both) == before);
  }
}

void test_who_trains_keeps_others_out() {
  Gan gan;
  Network::Impl& both = gan.both.impl();
  CHECK(both.users.size() == 2);
  const auto refused = [&](Network& network) {
    bool told = false;
    std::thread([&] {
      try {
        network.state_dict();
      } catch (const std::runtime_error&) {
        told = true;
      }
    }).join();
    return told;
  };
  {
    const InUse use(gan.critic.impl().users, Use::changes);
    CHECK(refused(gan.both) && refused(gan.critic) && !refused(gan.generator));
  }
  CHECK(!refused(gan.both) && !refused(gan.generator));
  {
    const InUse use(both.users, Use::calls_back);
    CHECK(refused(gan.generator) && refused(gan.critic));
    gan.critic.state_dict();  // from within, between runs
  }
  CHECK(!refused(gan.generator));
}

// What a tensor tells of where it lives.
void test_homes() {
  Gan gan;
  const Tensor weight = gan.both.graph().parameters()[2];
  CHECK(weight.name() == "1.weight");
  CHECK(home_values(weight.op()) == static_cast<void*>(gan.generator.values<float>("1.weight").data()));
  CHECK(home_gradients(weight.op()) == gan.generator.gradients_of(gan.generator.parameters()[2]));
  CHECK(home_values(parameter({2}, DType::float32, "w").op()) == nullptr);
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_a_gan();
  test_layers_keep_their_values();
  test_parts();
  test_bits_of_one_home();
  test_copies_and_files();
  test_who_trains_keeps_others_out();
  test_homes();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
