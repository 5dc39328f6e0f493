// Attention from C++: against loops, and blocks of transformers that train, are saved and know what counts.
#include <cmath>
#include <cstdint>
#include <filesystem>

#include "backpass/trainer.h"
#include "io_check.h"

namespace backpass {
namespace {

constexpr Dim kBatchRows = 2, kTime = 4, kFeatures = 6;

std::vector<double> numbers(std::size_t count, double start) {
  std::vector<double> made(count);
  for (std::size_t i = 0; i < count; ++i) made[i] = std::sin(start + 1.7 * static_cast<double>(i));
  return made;
}

// Row `query` of causal attention of x (time, features) to itself, by its definition.
std::vector<double> attended(const std::vector<double>& x, Dim query, Dim keys) {
  std::vector<double> made(kFeatures), weights;
  const auto at = [&](Dim row, Dim i) { return x[static_cast<std::size_t>(row * kFeatures + i)]; };
  double total = 0;
  for (Dim key = 0; key < keys; ++key) {
    double score = 0;
    for (Dim i = 0; i < kFeatures; ++i) score += at(query, i) * at(key, i);
    weights.push_back(std::exp(score / std::sqrt(static_cast<double>(kFeatures))));
    total += weights.back();
  }
  for (Dim i = 0; i < kFeatures; ++i)
    for (Dim key = 0; key < keys; ++key)
      made[static_cast<std::size_t>(i)] += weights[static_cast<std::size_t>(key)] / total * at(key, i);
  return made;
}

bool close(const Array& found, Dim row, const std::vector<double>& wanted) {
  const std::span<const double> values = found.values<double>();
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (std::abs(values[static_cast<std::size_t>(row) * wanted.size() + i] - wanted[i]) > 1e-12) return false;
  return true;
}

void test_it_is_its_definition() {
  const std::vector<double> values = numbers(kTime * kFeatures, 0.3);
  const Tensor x = input({kTime, kFeatures}, DType::float64);
  const ArrayView given{values.data(), {kTime, kFeatures}};
  const Array causal = evaluate(Graph({x}, {attention(x, x, x, {.causal = true})}), {given})[0];
  const Array all = evaluate(Graph({x}, {attention(x, x, x)}), {given})[0];
  for (Dim row = 0; row < kTime; ++row) {
    CHECK(close(causal, row, attended(values, row, row + 1)));
    CHECK(close(all, row, attended(values, row, kTime)));
  }
}

Network encoder() {
  const TransformerEncoder blocks{.num_layers = 2,
                                  .layer = {.num_heads = 2, .dim_feedforward = 8, .dropout = 0, .activation = "gelu"},
                                  .norm = true};
  return sequential({kTime, kFeatures}, {PositionalEncoding{.learned = true}, blocks, Flatten{}, Dense{1}},
                    {.seed = 3, .dtype = DType::float64});
}

void test_blocks_train_and_are_saved() {
  Network net = encoder();
  const std::vector<double> x = numbers(8 * kTime * kFeatures, 0), y = numbers(8, 2);
  const ArrayView given{x.data(), {8, kTime, kFeatures}}, wanted{y.data(), {8, 1}};
  Trainer trainer(net, MSE{}, Adam{.learning_rate = 0.01});
  const double first = trainer.step(given, wanted);
  double last = first;
  for (int i = 0; i < 300; ++i) last = trainer.step(given, wanted);
  CHECK(last < first / 4);
  const std::string path = (std::filesystem::temp_directory_path() / "backpass_attention.safetensors").string();
  net.save(path);
  Network loaded = Network::load(path);
  std::filesystem::remove(path);
  CHECK(net.parameters()[1].name == "1.layers.0.self_attn.in_proj_weight");
  const Array own = net.predict(given), other = loaded.predict(given);
  for (std::size_t i = 0; i < 8; ++i) CHECK(own.values<double>()[i] == other.values<double>()[i]);
}

void test_lengths_leave_out_what_lies_behind() {
  const Tensor x = input({kBatch, kTime, kFeatures}, DType::float64), n = input({kBatch}, DType::int32, "n");
  Network net({x, n}, {Layer(MultiheadAttention{.num_heads = 3}).call({x, n})}, {.seed = 1});
  std::vector<double> one = numbers(kBatchRows * kTime * kFeatures, 0.1), other = one;
  const std::vector<std::int32_t> lengths{2, 0};
  for (std::size_t i = 2 * kFeatures; i < kTime * kFeatures; ++i) other[i] += 1;  // behind the end of the first
  const auto predicted = [&](const std::vector<double>& values) {
    const std::vector<ArrayView> both{{values.data(), {kBatchRows, kTime, kFeatures}}, {lengths.data(), {kBatchRows}}};
    return net.predict(both);
  };
  const Array a = predicted(one), b = predicted(other);
  for (std::size_t i = 0; i < 2 * kFeatures; ++i) CHECK(a.values<double>()[i] == b.values<double>()[i]);
  for (std::size_t i = kTime * kFeatures; i < 2 * kTime * kFeatures; ++i) CHECK(a.values<double>()[i] == 0);
}

void test_what_does_not_fit_is_refused() {
  const Tensor x = input({kBatch, kTime, kFeatures});
  CHECK(refuses([&] { Layer(MultiheadAttention{.num_heads = 4})(x); }, "[MultiheadAttention] num_heads must divide"));
  CHECK(refuses([&] { Layer(TransformerDecoderLayer{.num_heads = 2})(x); }, "takes 2 sequences"));
  CHECK(refuses([&] { attention(x, Tensor(), x); }, "[attention] k is an empty tensor"));
  CHECK(refuses([&] { rotary(input({2, 3})); }, "[rotary] needs an even number"));
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_it_is_its_definition();
  test_blocks_train_and_are_saved();
  test_lengths_leave_out_what_lies_behind();
  test_what_does_not_fit_is_refused();
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
