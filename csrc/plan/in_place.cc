// Looking for inputs whose last reader is the step of an optimizer that makes their new value.
#include "plan/in_place.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "graph/op_row.h"
#include "graph/update.h"

namespace backpass {
namespace {

class Finder {
 public:
  explicit Finder(const Graph& graph) : graph_(graph) {
    for (std::size_t i = 0; i < graph.inputs().size(); ++i) seen_in_[&graph.inputs()[i].op()] = {i};
    readers_.resize(graph.inputs().size());
    for (const Tensor& t : graph.ops()) note(t.op());
    for (const Tensor& y : graph.outputs())
      for (const std::size_t input : seen_in(y)) readers_[input].push_back(nullptr);  // copied when all is done
  }

  // The input that `y` may be written over.
  int find(const Tensor& y) const {
    const Op& op = y.op();
    if (op.kind != OpKind::update) return -1;
    const Step& step = steps_.at(key(op));
    const auto which = static_cast<std::size_t>(op.dims[0]);
    const auto at = std::ranges::find(graph_.inputs(), op.inputs[which]);
    if (at == graph_.inputs().end() || step.made[which] != 1) return -1;
    const auto input = static_cast<std::size_t>(at - graph_.inputs().begin());
    const auto stands = [&](const Tensor& x) { return std::ranges::count(seen_in(x), input) > 0; };
    const auto before = [&](const Op* reader) {
      return reader != nullptr &&
             (reader->id < step.first || (reader->kind == OpKind::update && key(*reader) == key(op)));
    };
    const bool last = std::ranges::count_if(op.inputs, stands) == 1 && std::ranges::all_of(readers_[input], before);
    return last ? static_cast<int>(input) : -1;
  }

 private:
  // What one call does: the results of a kernel on some inputs.
  struct Step {
    std::uint64_t first = 0;    // of its ops
    std::array<int, 4> made{};  // ops by result
  };
  using Key = std::vector<const void*>;

  static Key key(const Op& op) {
    Key all{op.update.get()};
    for (const Tensor& x : op.inputs) all.push_back(&x.op());
    return all;
  }

  // The inputs whose elements a tensor may show.
  const std::vector<std::size_t>& seen_in(const Tensor& t) const {
    static const std::vector<std::size_t> none;
    const auto found = seen_in_.find(&t.op());
    return found == seen_in_.end() ? none : found->second;
  }

  void note(const Op& op) {
    const bool shows = role(op) == Role::view;
    for (const Tensor& x : op.inputs)
      for (const std::size_t input : seen_in(x)) {
        if (shows)
          seen_in_[&op].push_back(input);
        else
          readers_[input].push_back(&op);
      }
    if (op.kind != OpKind::update) return;
    const auto [step, is_new] = steps_.try_emplace(key(op), Step{op.id});
    ++step->second.made[static_cast<std::size_t>(op.dims[0])];
  }

  const Graph& graph_;
  std::unordered_map<const Op*, std::vector<std::size_t>> seen_in_;
  std::vector<std::vector<const Op*>> readers_;  // by input; null: an output
  std::map<Key, Step> steps_;
};

}  // namespace

std::vector<int> in_place_of(const Graph& graph) {
  const Finder finder(graph);
  std::vector<int> found;
  for (const Tensor& y : graph.outputs()) {
    const int input = finder.find(y);
    found.push_back(std::ranges::count(found, input) == 0 ? input : -1);
  }
  return found;
}

}  // namespace backpass
