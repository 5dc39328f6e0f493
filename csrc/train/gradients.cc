// Gradients of parameters, and of what is looked up in tables.
#include "train/gradients.h"

#include <algorithm>

#include "base/error.h"

namespace backpass {
namespace {

// The ops that look rows of a table up.
std::vector<Tensor> lookups_in(const Network::Impl& net, const Tensor& table) {
  std::vector<Tensor> lookups;
  for (const Tensor& t : net.graph.ops()) {
    const std::vector<Tensor>& inputs = t.op().inputs;
    if (std::find(inputs.begin(), inputs.end(), table) == inputs.end()) continue;
    if (t.op().kind != OpKind::take) fail("Embedding", '"', table.name(), "\" is sparse: it can only be looked up");
    lookups.push_back(t);
  }
  return lookups;
}

}  // namespace

TrainingGradients training_gradients(const Network::Impl& net, const Tensor& loss, bool by_rows) {
  TrainingGradients result;
  std::vector<Tensor> lookups;
  for (const Tensor& t : net.trained()) {
    if (!by_rows || !t.op().sparse) {
      result.parameters.push_back(t);
      continue;
    }
    RowsUpdate table{t};
    for (const Tensor& lookup : lookups_in(net, t)) {
      lookups.push_back(lookup);
      table.lookups.emplace_back(lookup, Tensor());
    }
    result.tables.push_back(std::move(table));
  }
  std::vector<Tensor> wanted = result.parameters;
  wanted.insert(wanted.end(), lookups.begin(), lookups.end());
  result.gradients = gradients(loss, wanted);
  auto next = result.gradients.begin() + static_cast<std::ptrdiff_t>(result.parameters.size());
  for (RowsUpdate& table : result.tables)
    for (auto& lookup : table.lookups) lookup.second = *next++;
  result.gradients.resize(result.parameters.size());
  return result;
}

}  // namespace backpass
