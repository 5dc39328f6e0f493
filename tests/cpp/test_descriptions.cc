// Settings are listed once: attributes, construction by name and checks of ranges follow from the list.
#include <backpass/backpass.h>

#include "io_check.h"

namespace backpass {
namespace {

// Made of its own attributes, a description has the same ones.
template <class... Ds>
void test_layers(Types<Ds...>) {
  const auto same = [](const auto& layer) {
    return make_layer(layer.type(), layer.attributes()).description() == Layer(layer).description();
  };
  CHECK((same(Ds{}) && ...));
}

template <class... Ds>
void test_losses(Types<Ds...>) {
  const auto same = [](const auto& loss) {
    return make_loss(loss.type(), loss.attributes()).attributes() == loss.attributes();
  };
  CHECK((same(Ds{}) && ...));
}

template <class... Ds>
void test_schedules(Types<Ds...>) {
  const auto same = [](const auto& plain) {
    const Schedule schedule(plain, {.warmup = 3, .per = Per::epoch});
    const Schedule again = make_schedule(schedule.type(), schedule.attributes());
    return again.attributes() == schedule.attributes() && again.per() == Per::epoch &&
           again.factor(7) == schedule.factor(7);
  };
  CHECK((same(Ds{}) && ...));
}

template <class... Ds>
void test_optimizers(Types<Ds...>) {
  const auto same = [](const auto& plain) { return Optimizer(plain).attributes() == plain.attributes(); };
  CHECK((same(Ds{}) && ...));
  CHECK(optimizer_types().size() == sizeof...(Ds));
}

void test_settings_that_are_not_defaults() {
  const Embedding embedding{.num_embeddings = 5, .embedding_dim = 2, .padding_idx = 0, .weight_init = "ones"};
  CHECK(make_layer("Embedding", embedding.attributes()).attributes() == embedding.attributes());
  const Layer block = Residual{{Dense{.units = 3, .activation = "relu"}, Residual{{Dense{3}}}}};
  CHECK(make_layer("Residual", block.attributes()).attributes() == block.attributes());
  const CrossEntropy loss{.label_smoothing = 0.1, .ignore_index = -100, .class_weight = {1, 2}};
  CHECK(make_loss("CrossEntropy", loss.attributes()).attributes() == loss.attributes());
  const MultiStepDecay decay{{2, 30, 400}, 0.5};
  CHECK(make_schedule("MultiStepDecay", decay.attributes()).attributes() == decay.attributes());
  const Lion lion{.betas = {0.5, 0.75}};
  CHECK((lion.attributes()[1] == std::pair<std::string, Attribute>{"beta1", 0.5}));
  CHECK((lion.attributes()[2] == std::pair<std::string, Attribute>{"beta2", 0.75}));
}

void test_parts_come_before_attributes() {
  const Initializer twos = Initializer::Fill([](std::span<double> values, const Shape&, std::uint64_t) {
    for (double& value : values) value = 2;
  });
  const Layer layer = make_layer("Dense", {{"units", std::int64_t{1}}}, {.initializers = {{"weight_init", twos}}});
  CHECK(sequential({3}, {layer}).values<float>("0.weight")[2] == 2);
  const Layer shared = Dense{3};
  const Layer block = make_layer("Residual", {}, {.layers = {{"layers", {shared, shared}}}});
  CHECK(sequential({3}, {block}).n_parameters() == 12);
}

void test_what_is_refused() {
  const auto build = [](const Layer& layer) { sequential({3}, {layer}); };
  CHECK(refuses([&] { build(Dense{0}); }, "[Dense 0] units must be positive, got 0"));
  CHECK(refuses([&] { build(RMSNorm{.eps = -1}); }, "eps must be finite and not negative, got -1"));
  CHECK(refuses([&] { build(BatchNorm{.eps = 0}); }, "eps must be positive and finite, got 0"));
  CHECK(refuses([&] { build(Dropout{1}); }, "rate must be at least 0 and below 1, got 1"));
  CHECK(refuses([] { make_layer("Dense", {{"units", true}}); }, "\"units\" has the wrong type"));
  CHECK(refuses([] { make_layer("Dens", {}); }, "[layer] unknown type \"Dens\""));
  CHECK(refuses([] { Schedule(StepDecay{.every = 0}); }, "[StepDecay] every must be positive, got 0"));
  CHECK(refuses([] { Optimizer(Muon{.steps = 1001}); }, "[Muon] steps must be from 1 to 1000, got 1001"));
  CHECK(refuses([] { Optimizer(Adam{.betas = {0.9, 1}}); }, "[Adam] betas must be at least 0 and below 1, got 1"));
}

// Somebody's own, with a list of settings.
struct Power {
  double exponent = 2;

  std::string type() const { return "Power"; }
  Fields fields() { return {{"exponent", &exponent, "to which power", kPositive}}; }
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext&, const Tensor& x) const { return exp(log(x) * exponent); }
};

void test_a_description_of_ones_own() {
  CHECK((Power{3}.attributes() == Attributes{{"exponent", 3.0}}));
  CHECK(refuses([] { sequential({3}, {Power{0}}); }, "exponent must be positive and finite, got 0"));
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_layers(LayerTypes{});
  test_losses(LossTypes{});
  test_schedules(ScheduleTypes{});
  test_optimizers(OptimizerTypes{});
  test_settings_that_are_not_defaults();
  test_parts_come_before_attributes();
  test_what_is_refused();
  test_a_description_of_ones_own();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
