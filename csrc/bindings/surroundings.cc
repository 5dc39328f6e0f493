// Inputs in the places of what a traced function did not get as arguments.
#include "surroundings.h"

#include <backpass/eager.h>

#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "nn/home.h"

namespace backpass::python {
namespace {

constexpr std::size_t kLarge = 1 << 16;  // elements of a constant that is no part of a plan

bool is_large(const Op& op) { return op.kind == OpKind::values && op.values.size() > kLarge; }

// Tensors with values, and large constants, as far as they are read.
std::vector<Tensor> read_by(const std::vector<Tensor>& outputs) {
  std::vector<Tensor> found, open = outputs;
  std::unordered_set<const Op*> seen;
  while (!open.empty()) {
    const Tensor t = open.back();
    open.pop_back();
    if (!seen.insert(&t.op()).second) continue;
    if (eager::is_eager(t) || is_large(t.op()))
      found.push_back(t);
    else
      open.insert(open.end(), t.op().inputs.begin(), t.op().inputs.end());
  }
  std::ranges::sort(found, {}, [](const Tensor& t) { return t.op().id; });
  return found;
}

Tensor with_value(const Tensor& t) {
  if (eager::is_eager(t)) return t;
  const std::vector<double>& values = t.op().values;
  if (t.dtype() != DType::int32) return eager::tensor(ArrayView(values.data(), t.shape()), t.dtype());
  const std::vector<std::int32_t> whole(values.begin(), values.end());
  return eager::tensor(ArrayView(whole.data(), t.shape()), t.dtype());
}

}  // namespace

Surroundings::Surroundings(std::vector<Tensor>& outputs) {
  const std::vector<Tensor> found = read_by(outputs);
  for (const Tensor& t : found) {
    inputs_.push_back(input(t.shape(), t.dtype(), "from around " + std::to_string(inputs_.size())));
    tensors_.push_back(with_value(t));
  }
  if (!found.empty()) outputs = substitute(outputs, found, inputs_);
}

std::vector<Array> Surroundings::values() const {
  std::vector<Array> values;
  for (const Tensor& t : tensors_) values.push_back(eager::value(t));
  return values;
}

Places::Places(const std::vector<Tensor>& leaves) {
  for (const Tensor& leaf : leaves) {
    const std::byte* value = home_values(leaf.op());
    if (value == nullptr)
      fail("function", "parameter \"", leaf.name(), "\" has no value yet: call its model or layer before");
    values.push_back(value);
    Users* const home = &leaf.op().residence->home->users;
    if (std::ranges::find(users, home) == users.end()) users.push_back(home);
  }
}

}  // namespace backpass::python
