// Models as files: every kind of op comes back as it was, and damaged files are refused.
#include <algorithm>
#include <limits>

#include "backpass/linalg.h"
#include "backpass/pooling.h"
#include "backpass/random.h"
#include "graph/op_row.h"
#include "graph/recurrent.h"
#include "io/graph_json.h"
#include "io/model_file.h"
#include "io_check.h"

namespace backpass {
namespace {

constexpr DType kFloat32 = DType::float32;

// Of (..., 4), by kinds that move, choose and solve; likewise.
Tensor moved_and_solved(const Tensor& x) {
  using namespace linalg;
  const Tensor square = matmul(swapaxes(x, -1, -2), x), lines = cholesky(square);
  Tensor y = solve(square, triangular_solve(lines, inv(square))) * det(square) + logdet(square) + slogdet(square).first;
  y = flip(cumsum(cumprod(y, 0), 0), std::vector<Dim>{0}) * prod(y, std::vector<Dim>{1}, true) + max(y);
  y = take_along_axis(y, argsort(y, 0), 0) + take_along_axis(y, constant(0, {1, 1}, DType::int32), 0);
  y = y * one_hot(argmax(y, 1), 4) + sum(matmul(reshape(y, {2, 2, 4}), reshape(y, {2, 4, 2})));
  y = y + eigh(square).vectors * qr(square).r;
  return index_axes(after(y, x), {argsort(y, 0)});
}

// Of images made of w (6, 4).
Tensor convolved_and_pooled(const Tensor& w) {
  const Tensor y = conv2d(reshape(w, {1, 2, 3, 4}), reshape(w, {3, 2, 1, 4}));
  return sum(max_pool2d(y, {.height = 1, .width = 2}) * avg_pool2d(y, {.height = 1, .width = 2}));
}

// Of a series made of w (6, 4).
Tensor walked(const Tensor& w) {
  const Tensor weight = matmul(w, w, true, false), bias = sum(w, std::vector<Dim>{0});
  return sum(recurrent({.cell = Cell::tanh}, RecurrentPart::states,
                       {.x = reshape(w, {2, 3, 4}),
                        .weight = weight,
                        .bias = bias,
                        .state = slice(w, 0, 0, 2),
                        .cell = {},
                        .lengths = {}}));
}

// A graph with every kind of op that files have; it computes nothing sensible.
Graph every_kind() {
  const Tensor x = input({kBatch, 4}, kFloat32, "x \"\u20ac\""), labels = input({kBatch}, DType::int32, "labels");
  const Tensor unused = input({2}, kFloat32, "unused");
  const Tensor w = parameter({6, 4}, kFloat32, "0.weight", {"he_uniform", 0.1}), b = parameter({6}, kFloat32, "0.bias");
  Tensor z = matmul(x, w, false, true, Precision::medium) + b;
  z = dropout(leaky_relu(z, 0.2), 0.25, 7) * constant(-std::numeric_limits<double>::infinity());
  z = softmax(concat({slice(z, 1, 1, 3), slice(z, 1, 0, 2)}, 1)) - reshape(log_sum_exp(z), {kBatch, 1});
  z = transpose(transpose(z, {1, 0}), {1, 0}) * (1 / 3.0) + stop_gradient(z);
  z = below_max(center(z)) * reshape(inverse_rms(z, 1e-5), {kBatch, 1});
  const Tensor running = state({4}, kFloat32, "0.running_mean", "ones"), batch = mean(z, std::vector<Dim>{0});
  z = z + random_uniform(z.shape(), z.dtype());
  z = track(gaussian_noise(z, 0.1, 8) - by_mode(batch, running), running, batch, 0.1);
  z = z * constant({0.1, 0.2, 0.3, 0.4}, {4}) + take(w, labels, 0, -100);
  z = add_loss(z, sum(square(b)) + sum(moved_and_solved(w)));
  const Tensor loss = mean(take_label(z, labels)) + mean(square(z), std::vector<Dim>{1}, true);
  const std::vector<Tensor> grads =
      gradients(sum(loss) + sum(moved_and_solved(w)) + convolved_and_pooled(w) + walked(w), {w, b});
  Op last = loss.op();
  last.layer = std::make_shared<const LayerUse>(LayerUse{
      7, 9, 0, "0", {"Residual", {{"rate", 0.5}, {"layers", std::vector<Description>{{"ReLU", {}}}}}}, {x}, z});
  return Graph({x, labels, unused}, {make_tensor(std::move(last)), grads[0], grads[1]});
}

Graph small() {
  const Tensor x = input({kBatch, 2}), w = parameter({1, 2}, kFloat32, "0.weight");
  return Graph({x}, {relu(matmul(x, w, false, true))});
}

constexpr float kWeights[30] = {0.5f, -1};

std::vector<TensorEntry> weights(std::vector<std::pair<std::string, Shape>> shapes) {
  std::vector<TensorEntry> tensors;
  for (auto& [name, shape] : shapes) {
    const auto count = static_cast<std::size_t>(element_count(shape));
    tensors.push_back({name, ElementType::float32, shape, std::as_bytes(std::span(kWeights, count))});
  }
  return tensors;
}

void test_graph() {
  const Graph graph = every_kind();
  const std::string text = write_graph(graph);
  for (const OpRow& row : op_rows())
    if (row.rebuild && text.find('"' + std::string(row.name) + '"') == std::string::npos)
      check(false, row.name, __LINE__);
  const Graph back = read_graph(text);
  CHECK(write_graph(back) == text);
  CHECK(back.to_string() == graph.to_string());
  CHECK(back.inputs().size() == 3 && back.outputs().size() == 3);
  CHECK(back.inputs()[0].name() == "x \"\u20ac\"");
  CHECK(back.parameters()[0].op().initializer.name == "he_uniform");
  const LayerUse &was = *graph.outputs()[0].op().layer, &is = *back.outputs()[0].op().layer;
  CHECK(is.description == was.description && is.name == "0" && is.parent == 0);
  CHECK(is.inputs[0].name() == was.inputs[0].name() && is.z.kind() == was.z.kind());
}

void test_graph_refuses() {
  const std::string text = write_graph(small());
  const auto refuse = [&](const std::string& from, const std::string& to, const std::string& part) {
    std::string changed = text;
    const std::size_t at = changed.find(from);
    if (at == std::string::npos) return false;
    changed.replace(at, from.size(), to);
    return refuses([&] { read_graph(changed); }, part);
  };
  CHECK(refuse("\"matmul\"", "\"melt\"", "unknown kind \"melt\""));
  CHECK(refuse("\"relu\"", "\"add\"", "takes 2 inputs, got 1"));
  CHECK(refuse("[0,1]", "[0,1,1]", "at most 2"));
  CHECK(refuse("[0,1]", "[0,3]", "not an earlier op"));
  CHECK(refuse("[0,1]", "[0,-1]", "not an earlier op"));
  CHECK(refuse("[1,2]", "[1,3]", "matmul"));
  CHECK(refuse("[\"batch\",2]", "[\"batch\",-2]", "negative"));
  CHECK(refuse("[\"batch\",2]", "[\"batch\",\"batch\"]", "twice"));
  CHECK(refuse("[\"batch\",2]", "[\"batch\",1099511627776,2]", "too many elements"));
  CHECK(refuse("[\"batch\",2]", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "rank"));
  CHECK(refuse("[\"batch\",1]", "[\"batch\",2]", "has shape (batch, 1)"));
  CHECK(refuse("\"float32\"", "\"float16\"", "unknown dtype"));
  CHECK(refuse("\"float32\"", "\"float64\"", "op 2"));
  CHECK(refuse("\"transpose_a\":false", "\"transpose_a\":0", "boolean"));
  CHECK(refuse("\"highest\"", "\"lowest\"", "precision"));
  CHECK(refuse("\"outputs\":[3]", "\"outputs\":[4]", "does not exist"));
  CHECK(refuse("\"inputs\":[0]", "\"inputs\":[1]", "input"));
  CHECK(refuse("\"ops\"", "\"opz\"", "missing"));
  const auto refuse_layer = [&](const std::string& layer, const std::string& part) {
    return refuse("\"fn\":\"relu\"", "\"fn\":\"relu\",\"layer\":" + layer, part);
  };
  CHECK(refuse_layer("{}", "missing"));
  const std::string use = R"({"layer":0,"call":0,"name":"0","type":"ReLU","attributes":{},"inputs":)";
  CHECK(!refuse_layer(use + "[2]}", ""));
  CHECK(refuse_layer(use + "[3]}", "not an earlier op"));
  CHECK(refuse_layer(use + "[-1]}", "not an earlier op"));
  CHECK(refuse_layer(use + "[],\"parent\":-1}", "must be at least 0"));
}

void test_model() {
  const auto seed = std::numeric_limits<std::uint64_t>::max();
  const std::string bytes = write_model(
      every_kind(), weights({{"0.bias", {6}}, {"0.running_mean", {4}}, {"0.weight", {6, 4}}}), kFloat32, seed);
  const ModelFile model = read_model(bytes_of(bytes));
  CHECK(model.graph.to_string() == every_kind().to_string());
  CHECK(model.seed == seed && model.dtype == kFloat32);
  CHECK(model.parameters.size() == 3 && model.parameters[0].name == "0.weight");
  CHECK(model.parameters[0].bytes.size() == 96 && read_weights(bytes_of(bytes)).size() == 3);
}

void test_model_refuses() {
  const auto write = [](std::vector<std::pair<std::string, Shape>> shapes) {
    return write_model(small(), weights(std::move(shapes)), kFloat32, 0);
  };
  CHECK(refuses([&] { write({}); }, "no tensor is left for parameter \"0.weight\""));
  CHECK(refuses([&] { write({{"0.weight", {2}}}); }, "has shape (1, 2) in the graph, (2,) as a tensor"));
  CHECK(refuses([&] { write({{"0.weight", {1, 2}}, {"b", {1}}}); }, "\"b\" is no parameter"));
  const auto refuse = [&](Metadata metadata, const std::string& part) {
    const std::string bytes = write_safetensors(weights({{"0.weight", {1, 2}}}), metadata);
    return refuses([&] { read_model(bytes_of(bytes)); }, part);
  };
  const Metadata good = parse_safetensors(bytes_of(write({{"0.weight", {1, 2}}}))).metadata;
  const auto with = [&](const char* key, const char* value) {
    Metadata metadata = good;
    metadata[key] = value;
    return metadata;
  };
  CHECK(!refuse(good, ""));
  CHECK(refuse({}, "load_weights"));
  CHECK(refuse(with("format", "pt"), "load_weights"));
  CHECK(refuse(with("format_version", "2"), "format version 2; this version of backpass reads 1"));
  CHECK(refuse(with("format_version", "one"), "not a number"));
  CHECK(refuse(with("graph", "{"), "graph: JSON, position 1"));
  CHECK(refuse(with("seed", "-1"), "not a number"));
  CHECK(refuse(with("dtype", "float64"), "not float64 throughout"));
}

// Dropping a chain of tensors recurses: as many ops as a file may hold must not exhaust the stack, more are refused.
void test_long_chain() {
  const auto chain = [](std::size_t ops) {
    const Tensor first = input({kBatch, 2});
    Tensor last = first;
    while (--ops > 0) last = relu(last);
    return write_graph(Graph({first}, {last}));
  };
  CHECK(read_graph(chain(kMaxGraphOps)).ops().size() == kMaxGraphOps);
  CHECK(refuses([&] { chain(kMaxGraphOps + 1); }, "ops"));
}

// The writer refuses what the reader refuses, and the reader takes what a program may well build.
void test_what_is_written_can_be_read() {
  const auto written = [](const Graph& graph, std::vector<std::pair<std::string, Shape>> shapes = {}) {
    return write_model(graph, weights(std::move(shapes)), kFloat32, 0);
  };
  const Tensor x = input({kBatch, 1});
  const Graph wide({x}, {concat(std::vector<Tensor>(70'000, x), 1)});
  CHECK(read_model(bytes_of(written(wide))).graph.outputs()[0].shape()[1] == 70'000);
  const auto nested = [&](int depth) {
    Description layer{"ReLU", {}};
    for (int i = 0; i < depth; ++i) layer = {"Residual", {{"layers", std::vector<Description>{layer}}}};
    Op op = relu(x).op();
    op.layer = std::make_shared<const LayerUse>(LayerUse{1, 1, 0, "0", layer, {x}, {}});
    return Graph({x}, {make_tensor(std::move(op))});
  };
  CHECK(read_model(bytes_of(written(nested(100)))).graph.ops().size() == 2);
  CHECK(refuses([&] { written(nested(200)); }, "cannot be saved, for it could not be loaded again: [graph] op 1"));
}

// Values of a constant are read one by one: their number is not that of values in memory at once.
void test_many_values() {
  std::vector<double> values(kMaxJsonValues + 1, 0.5);
  values.back() = 7;
  const Tensor x = input({kBatch, kMaxJsonValues + 1});
  const Graph back = read_graph(write_graph(Graph({x}, {x + constant(values, {kMaxJsonValues + 1})})));
  CHECK(std::any_of(back.ops().begin(), back.ops().end(), [&](const Tensor& t) { return t.op().values == values; }));
}

}  // namespace
}  // namespace backpass

int main() {
  using namespace backpass;
  test_graph();
  test_graph_refuses();
  test_model();
  test_model_refuses();
  test_long_chain();
  test_what_is_written_can_be_read();
  test_many_values();
  damage([](auto bytes) { read_model(bytes); }, write_model(small(), weights({{"0.weight", {1, 2}}}), kFloat32, 1));
  damage(
      [](auto bytes) {
        read_graph({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      },
      write_graph(every_kind()), 11);
  std::printf("%s\n", failures == 0 ? "ok" : "FAILED");
  return failures == 0 ? 0 : 1;
}
