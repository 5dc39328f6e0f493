// Network: parameters, and running forward and backward.
#include <algorithm>
#include <cmath>
#include <random>

#include "base/convert.h"
#include "base/error.h"
#include "nn/initialize.h"
#include "nn/network_impl.h"
#include "plan/boundary.h"
#include "plan/sharing.h"
#include "plan/team.h"

namespace backpass {
namespace {

constexpr Dim kPredictRows = 1024;  // rows of one tile: the activations of usual layers stay in the caches

std::uint64_t fresh_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

DType network_dtype(const std::vector<Tensor>& outputs) {
  if (outputs.empty() || !outputs[0]) fail("Network", "needs an output");
  return outputs[0].dtype();
}

void check_batched(const char* what, const std::vector<Tensor>& tensors) {
  for (const Tensor& t : tensors)
    if (t.shape().empty() || t.shape()[0] != kBatch)
      fail("Network", what, " must have the batch as first dimension, got ", to_string(t.shape()));
}

}  // namespace

Network::Impl::Impl(std::vector<Tensor> inputs, std::vector<Tensor> outputs, std::uint64_t network_seed)
    : graph(std::move(inputs), outputs), dtype(network_dtype(outputs)), seed(network_seed) {
  if (graph.inputs().size() != 1 || graph.outputs().size() != 1) fail("Network", "takes one input and one output");
  check_batched("inputs", graph.inputs());
  check_batched("outputs", graph.outputs());
  if (dtype == DType::int32 || graph.inputs()[0].dtype() != dtype)
    fail("Network", "input and output must be of one real type");
  for (const Tensor& t : graph.parameters()) {
    for (const ParameterInfo& other : parameters)
      if (other.name == t.name()) fail("Network", "two parameters are named \"", t.name(), '"');
    if (t.dtype() != dtype)
      fail("Network", "parameter \"", t.name(), "\" is ", backpass::name(t.dtype()), ", the output ",
           backpass::name(dtype));
    places[&t.op()] = {kParameters, static_cast<std::size_t>(n_parameters) * size_of(dtype)};
    const Dim size = element_count(t.shape());
    parameters.push_back({t.name(), t.shape(), n_parameters, size});
    n_parameters += size;
  }
  values = AlignedBuffer(bytes());
}

std::byte* Network::Impl::gradient_data() {
  if (gradients.data() == nullptr) gradients = AlignedBuffer(bytes());
  return gradients.data();
}

Shape Network::Impl::output_shape(Dim rows) const {
  Shape shape = y().shape();
  shape[0] = rows;
  return shape;
}

InUse::InUse(Network::Impl& network) : network_(network) {
  std::thread::id nobody{};
  if (network.owner.compare_exchange_strong(nobody, std::this_thread::get_id(), std::memory_order_acquire)) return;
  if (nobody != std::this_thread::get_id())
    throw std::runtime_error(message("Network", "is in use by another thread; give each thread a clone()"));
  outermost_ = false;
}

Network::Network(std::vector<Tensor> inputs, std::vector<Tensor> outputs, NetworkOptions options)
    : impl_(
          std::make_shared<Impl>(std::move(inputs), std::move(outputs), options.seed ? *options.seed : fresh_seed())) {
  std::uint32_t index = 0;
  for (const Tensor& t : impl_->graph.parameters())
    initialize(impl_->values.data() + impl_->places.at(&t.op()).offset, t.shape(), t.dtype(), t.op().initializer,
               impl_->seed, index++);
}

const Graph& Network::graph() const { return impl_->graph; }
DType Network::dtype() const { return impl_->dtype; }
std::uint64_t Network::seed() const { return impl_->seed; }
Dim Network::n_parameters() const { return impl_->n_parameters; }
const std::vector<ParameterInfo>& Network::parameters() const { return impl_->parameters; }
const std::vector<LayerInfo>& Network::layers() const { return impl_->layers; }
void* Network::flat_parameters() { return impl_->values.data(); }
void* Network::flat_gradients() { return impl_->gradient_data(); }

namespace {

const ParameterInfo& find(const std::vector<ParameterInfo>& parameters, const std::string& name) {
  for (const ParameterInfo& info : parameters)
    if (info.name == name) return info;
  fail("Network", "has no parameter \"", name, '"');
}

}  // namespace

void* Network::at(const std::string& name, ElementType type) {
  const ParameterInfo& info = find(impl_->parameters, name);
  if ((type == ElementType::float64) != (dtype() == DType::float64))
    fail("Network", "holds ", backpass::name(dtype()), ", not the type asked for");
  return impl_->values.data() + static_cast<std::size_t>(info.offset) * size_of(dtype());
}

Dim Network::size_of_parameter(const std::string& name) const { return find(impl_->parameters, name).size; }

void Network::zero_grad() {
  const InUse use(*impl_);
  if (impl_->gradients.data() != nullptr) std::fill_n(impl_->gradients.data(), impl_->gradients.size(), std::byte{0});
}

Network Network::clone() const {
  Network copy;
  copy.impl_ = std::make_shared<Impl>(impl_->graph.inputs(), impl_->graph.outputs(), impl_->seed);
  copy.impl_->layers = impl_->layers;
  copy.impl_->layer_outputs = impl_->layer_outputs;
  copy.impl_->step = impl_->step;
  copy.impl_->epoch = impl_->epoch;
  std::copy_n(impl_->values.data(), impl_->bytes(), copy.impl_->values.data());
  if (impl_->gradients.data() != nullptr)
    std::copy_n(impl_->gradients.data(), impl_->bytes(), copy.impl_->gradient_data());
  return copy;
}

namespace {

// forward(training=false): x is read in place where its type and layout allow, else gathered.
PlanSpec predict_spec(const Network::Impl& net, Dim batch, bool gather) {
  PlanSpec spec;
  spec.inputs = {{net.x(), gather}};
  spec.outputs = {{net.y(), {gather ? kFirstExternal : kFirstExternal + 1, 0}}};
  spec.leaves = net.places;
  spec.batch = batch;
  spec.dtype = net.dtype;
  return spec;
}

bool readable_in_place(const Network::Impl& net, const ArrayView& x) {
  const ElementType own = net.dtype == DType::float64 ? ElementType::float64 : ElementType::float32;
  const Dim rows = x.rows();
  const std::ptrdiff_t dense =
      rows > 0 ? static_cast<std::ptrdiff_t>(static_cast<std::size_t>(element_count(x.shape) / rows) * size_of(own))
               : 0;
  return x.type == own && (rows <= 1 || x.row_stride == dense) &&
         reinterpret_cast<std::uintptr_t>(x.data) % size_of(own) == 0;
}

void run_predict(Network::Impl& net, const ArrayView& x, Array& out, Dim begin, Dim rows, int threads) {
  const bool gather = !readable_in_place(net, x);
  Plan& plan =
      net.predict.plan(plan_key(rows, gather), [&] { return std::make_unique<Plan>(predict_spec(net, rows, gather)); });
  std::byte* from = const_cast<std::byte*>(static_cast<const std::byte*>(x.data)) + begin * x.row_stride;
  const std::size_t row_bytes = out.shape()[0] > 0 ? out.bytes() / static_cast<std::size_t>(out.shape()[0]) : 0;
  std::byte* to = static_cast<std::byte*>(out.data()) + static_cast<std::size_t>(begin) * row_bytes;
  std::byte* slots[kFirstExternal + 2] = {
      net.predict.arena(), net.values.data(), nullptr, nullptr, nullptr, gather ? to : from, to};
  const RowSource source{from, x.type, x.row_stride};
  PlanRun run{slots};
  run.sources = {&source, 1};
  run.threads = resolve_threads(threads);
  plan.run(run);
}

}  // namespace

Array Network::predict(const ArrayView& x, Dim batch_size, int threads) {
  if (batch_size < 0) fail("predict", "batch_size must not be negative, got ", batch_size);
  const Dim rows = check_shape("x", x, impl_->x().shape());
  const InUse use(*impl_);
  Array out(dtype(), impl_->output_shape(rows));
  const Dim tile = batch_size > 0 ? batch_size : kPredictRows;
  auto tiles = [&] {
    for (Dim begin = 0; begin < rows; begin += tile)
      run_predict(*impl_, x, out, begin, std::min(tile, rows - begin), threads);
  };
  if (rows > tile)
    Team::with(resolve_threads(threads), tiles);
  else
    tiles();
  return out;
}

}  // namespace backpass
