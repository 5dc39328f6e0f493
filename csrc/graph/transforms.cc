// Graphs again: in another place, over an axis, along a direction.
#include "backpass/transforms.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "graph/reach.h"
#include "graph/rules.h"

namespace backpass {
namespace {

void check_pairs(const char* who, const std::vector<Tensor>& xs, const std::vector<Tensor>& with) {
  if (xs.size() != with.size()) fail(who, "needs one tensor for each of ", xs.size(), ", got ", with.size());
  for (std::size_t i = 0; i < xs.size(); ++i) {
    if (!xs[i] || !with[i]) fail(who, "got an empty tensor");
    if (xs[i].dtype() != with[i].dtype())
      fail(who, "types differ: ", name(xs[i].dtype()), " and ", name(with[i].dtype()));
  }
}

bool is_shape_with_rows(const Shape& got, const Shape& expected) {
  bool same = got.size() == expected.size();
  for (std::size_t i = 0; same && i < got.size(); ++i) same = got[i] == expected[i] || expected[i] == kBatch;
  return same;
}

// What takes the place of an op's tensor, by op; of those that are not in it, they themselves do.
using Places = std::unordered_map<const Op*, BatchedInput>;

BatchedInput place_of(const Places& places, const Tensor& t) {
  const auto found = places.find(&t.op());
  return found == places.end() ? BatchedInput{t, false} : found->second;
}

// The op from other inputs, and of so many rows.
Tensor made_again(const Op& op, std::vector<Tensor> inputs, Dim rows) {
  Op made = op;
  made.inputs = std::move(inputs);
  made.layer = nullptr;
  std::ranges::replace(made.shape, kBatch, rows);
  if (op.kind == OpKind::count) std::ranges::replace(made.dims, kBatch, rows);
  return make_tensor(std::move(made));
}

std::vector<Tensor> tensors_of(const std::vector<BatchedInput>& inputs) {
  std::vector<Tensor> tensors;
  for (const BatchedInput& input : inputs) tensors.push_back(input.tensor);
  return tensors;
}

// Calls make(op, inputs) for each op that `changes` or has an input with another place; in order of making.
template <class Changes, class Make>
void walk(const std::vector<Tensor>& ys, Places& places, Changes changes, Make make) {
  for (const Tensor& t : reachable(ys)) {
    const Op& op = t.op();
    if (places.count(&op)) continue;
    std::vector<BatchedInput> inputs;
    bool other = changes(op);
    for (const Tensor& from : op.inputs) {
      inputs.push_back(place_of(places, from));
      other = other || inputs.back().tensor != from;
    }
    if (other) places[&op] = make(op, inputs);
  }
}

bool holds_batch(const Shape& shape) { return std::ranges::find(shape, kBatch) != shape.end(); }

}  // namespace

std::vector<Tensor> substitute(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                               const std::vector<Tensor>& with) {
  check_pairs("substitute", xs, with);
  Places places;
  Dim rows = kBatch;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const Shape &old = xs[i].shape(), &now = with[i].shape();
    if (!is_shape_with_rows(now, old))
      fail("substitute", "expected shape ", to_string(old), ", got ", to_string(now), " for \"", xs[i].name(), '"');
    if (holds_batch(old)) {
      if (rows != kBatch && rows != now[0]) fail("substitute", "inputs have ", rows, " and ", now[0], " rows");
      rows = now[0];
    }
    places[&xs[i].op()] = {with[i], false};
  }
  walk(
      ys, places,
      [&](const Op& op) {
        return rows != kBatch && op.kind != OpKind::input && (holds_batch(op.shape) || op.kind == OpKind::count);
      },
      [&](const Op& op, const std::vector<BatchedInput>& inputs) {
        return BatchedInput{made_again(op, tensors_of(inputs), rows), false};
      });
  std::vector<Tensor> results;
  for (const Tensor& y : ys) results.push_back(place_of(places, y).tensor);
  return results;
}

namespace {

// The length of the mapped axis; throws where there is none, or two differ.
Dim map_size(const std::vector<Tensor>& xs, const std::vector<Tensor>& with, Places& places) {
  std::optional<Dim> size;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const Shape &inner = xs[i].shape(), &outer = with[i].shape();
    const bool mapped = outer.size() == inner.size() + 1;
    if (!(mapped ? std::equal(inner.begin(), inner.end(), outer.begin() + 1) : inner == outer))
      fail("vmap", "expected shape ", to_string(inner), " behind an axis or alone, got ", to_string(outer));
    places[&xs[i].op()] = {with[i], mapped};
    if (!mapped) continue;
    if (outer[0] == kBatch) fail("vmap", "maps over an axis of known size, not over the batch");
    if (size && *size != outer[0]) fail("vmap", "the axes have sizes ", *size, " and ", outer[0]);
    size = outer[0];
  }
  if (!size) fail("vmap", "needs an axis to map over");
  return *size;
}

}  // namespace

std::vector<Tensor> vmap(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                         const std::vector<Tensor>& with) {
  check_pairs("vmap", xs, with);
  Places places;
  const Dim size = map_size(xs, with, places);
  std::uint64_t first = xs[0].op().id;
  for (const Tensor& x : xs) first = std::min(first, x.op().id);
  const auto draws = [&](const Op& op) { return role(op) == Role::generator && op.id > first; };
  walk(ys, places, draws, [&](const Op& op, const std::vector<BatchedInput>& inputs) {
    const bool mapped = draws(op) || std::ranges::any_of(inputs, &BatchedInput::mapped);
    return mapped ? BatchedInput{row_of(op).batch(op, inputs, size), true}
                  : BatchedInput{made_again(op, tensors_of(inputs), kBatch), false};
  });
  std::vector<Tensor> results;
  for (const Tensor& y : ys) results.push_back(mapped(place_of(places, y), size));
  return results;
}

std::vector<Tensor> vjp(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                        const std::vector<Tensor>& seeds) {
  if (ys.size() != seeds.size()) fail("vjp", "needs one seed for each of ", ys.size(), " outputs, got ", seeds.size());
  for (std::size_t i = 0; i < ys.size(); ++i)
    if (ys[i].shape() != seeds[i].shape() || ys[i].dtype() != seeds[i].dtype())
      fail("vjp", "seed ", i, " has shape ", to_string(seeds[i].shape()), ", the output ", to_string(ys[i].shape()));
  return gradients_of_all(ys, xs, seeds);
}

// The seeds of the inner gradient are of no account: what is linear in them has no use of them as a derivative.
std::vector<Tensor> jvp(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                        const std::vector<Tensor>& directions) {
  check_pairs("jvp", xs, directions);
  for (std::size_t i = 0; i < xs.size(); ++i)
    if (xs[i].shape() != directions[i].shape())
      fail("jvp", "direction ", i, " has shape ", to_string(directions[i].shape()), ", expected ",
           to_string(xs[i].shape()));
  std::vector<Tensor> seeds;
  for (const Tensor& y : ys) seeds.push_back(view(constant(0.0, y.shape(), y.dtype())));
  return gradients_of_all(gradients_of_all(ys, xs, seeds), seeds, directions);
}

}  // namespace backpass
