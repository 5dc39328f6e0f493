// Predictions: forward runs in tiles, several at once.
#include <algorithm>

#include "base/error.h"
#include "base/interrupt.h"
#include "nn/network_impl.h"
#include "plan/boundary.h"
#include "plan/workers/sharing.h"
#include "plan/workers/team.h"

namespace backpass {
namespace {

constexpr Dim kPredictRows = 1024;  // rows of one tile: the activations of usual layers stay in the caches

}  // namespace

PlanSpec predict_spec(const Network::Impl& net, Dim batch, unsigned gathered) {
  PlanSpec spec;
  int slot = kFirstExternal;
  for (std::size_t i = 0; i < net.inputs().size(); ++i) {
    const bool gather = (gathered >> i & 1) != 0;
    spec.inputs.push_back({net.inputs()[i], gather});
    slot += gather ? 0 : 1;
  }
  for (const Tensor& y : net.outputs()) spec.outputs.push_back({y, {slot++, 0}});
  spec.leaves = net.places;
  spec.batch = batch;
  spec.dtype = net.dtype;
  return spec;
}

namespace {

unsigned gathered_inputs(const Network::Impl& net, const ArrayViews& x) {
  unsigned gathered = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Dim rows = x[i].rows(), cols = rows > 0 ? element_count(x[i].shape) / rows : 0;
    if (!readable_in_place(row_source(x[i]), net.inputs()[i].dtype(), rows, cols)) gathered |= 1u << i;
  }
  return gathered;
}

// Rows [begin, begin + rows) of x to those of out.
void run_predict(Network::Impl& net, RunMemory& memory, const ArrayViews& x, std::vector<Array>& out, Dim begin,
                 Dim rows, int threads) {
  const unsigned gathered = gathered_inputs(net, x);
  Plan& plan = memory.workspace.plan(plan_key(rows, static_cast<int>(gathered)),
                                     [&] { return std::make_unique<Plan>(predict_spec(net, rows, gathered)); });
  memory.slots.assign({memory.workspace.arena(), net.first_values()});
  memory.slots.resize(kFirstExternal, nullptr);
  memory.sources.clear();
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::byte* from = const_cast<std::byte*>(static_cast<const std::byte*>(x[i].data)) + begin * x[i].row_stride;
    if ((gathered >> i & 1) != 0)
      memory.sources.push_back({from, x[i].type, x[i].row_stride});
    else
      memory.slots.push_back(from);
  }
  for (Array& y : out) {
    const std::size_t row_bytes = y.shape()[0] > 0 ? y.bytes() / static_cast<std::size_t>(y.shape()[0]) : 0;
    memory.slots.push_back(static_cast<std::byte*>(y.data()) + static_cast<std::size_t>(begin) * row_bytes);
  }
  PlanRun run{memory.slots};
  run.sources = memory.sources;
  run.blocks = net.more_blocks;
  run.seed = net.seed;  // of what is drawn at all times, in each tile anew
  run.step = static_cast<std::uint64_t>(begin);
  run.threads = resolve_threads(threads);
  plan.run(run);
}

}  // namespace

std::vector<Array> Network::predict_all(const ArrayViews& x, Dim batch_size, int threads) {
  if (batch_size < 0) fail("predict", "batch_size must not be negative, got ", batch_size);
  if (threads < 0) fail("predict", "threads must not be negative, got ", threads);
  const Dim rows = impl_->check_inputs(x);
  const InUse use(impl_->users, Use::reads);
  std::vector<Array> out;
  for (const Tensor& y : impl_->outputs()) out.emplace_back(dtype(), with_rows(y.shape(), rows));
  const Dim tile = batch_size > 0 ? batch_size : kPredictRows;
  const Spare memory(impl_->spares);
  auto tiles = [&] {
    for (Dim begin = 0; begin < rows; begin += tile) {
      ask_interrupt();
      run_predict(*impl_, *memory, x, out, begin, std::min(tile, rows - begin), threads);
    }
  };
  if (rows > tile)
    Team::with(resolve_threads(threads), tiles);
  else
    tiles();
  return out;
}

Array Network::predict(const ArrayViews& x, Dim batch_size, int threads) {
  check_alone("predict", impl_->outputs(), "outputs");
  return predict_all(x, batch_size, threads)[0];
}

}  // namespace backpass
