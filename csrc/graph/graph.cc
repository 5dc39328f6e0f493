// Graph: the ops between inputs and outputs, and how they print.
#include <algorithm>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "graph/op_row.h"
#include "graph/reach.h"
#include "graph/recorded.h"

namespace backpass {

std::vector<Tensor> reachable(const std::vector<Tensor>& outputs) {
  std::vector<Tensor> found, open = outputs;
  std::unordered_set<const Op*> seen;
  while (!open.empty()) {
    const Tensor t = open.back();
    open.pop_back();
    if (!seen.insert(&t.op()).second) continue;
    found.push_back(t);
    for (const Tensor& from : t.op().inputs) open.push_back(from);
  }
  std::sort(found.begin(), found.end(), [](const Tensor& a, const Tensor& b) { return a.op().id < b.op().id; });
  return found;
}

Graph::Graph(std::vector<Tensor> inputs, std::vector<Tensor> outputs)
    : inputs_(std::move(inputs)), outputs_(std::move(outputs)) {
  for (const Tensor& t : inputs_)
    if (!t || t.op().kind != OpKind::input) fail("Graph", "every input must be made by input()");
  for (const Tensor& t : outputs_)
    if (!t) fail("Graph", "got an empty output");
  ops_ = reachable(outputs_);
  for (const Tensor& t : ops_) {
    if (t.op().inputs.size() < row_of(t.op()).inputs.least || (t.op().recorded && t.op().kind == OpKind::input))
      fail("Graph",
           "an output depends on a tensor that has a value: make that an argument, or a constant of its array");
    if (t.op().kind == OpKind::input && std::find(inputs_.begin(), inputs_.end(), t) == inputs_.end())
      fail("Graph", "an output depends on input \"", t.name(), "\", which is not among the inputs");
  }
}

namespace {

std::vector<Tensor> of_kind(const std::vector<Tensor>& ops, OpKind kind) {
  std::vector<Tensor> found;
  for (const Tensor& t : ops)
    if (t.op().kind == kind) found.push_back(t);
  return found;
}

}  // namespace

std::vector<Tensor> Graph::parameters() const { return of_kind(ops_, OpKind::parameter); }
std::vector<Tensor> Graph::states() const { return of_kind(ops_, OpKind::state); }

namespace {

std::unordered_map<const Op*, std::size_t> numbers(const std::vector<Tensor>& ops) {
  std::unordered_map<const Op*, std::size_t> number;
  for (const Tensor& t : ops) number.emplace(&t.op(), number.size());
  return number;
}

std::string attributes(const Op& op) {
  std::ostringstream text;
  if (!op.name.empty()) text << " \"" << op.name << '"';
  if (op.transpose_a) text << " transpose_a";
  if (op.transpose_b) text << " transpose_b";
  if (op.kind == OpKind::constant || op.kind == OpKind::random_keep || op.kind == OpKind::track || has_alpha(op.fn))
    text << ' ' << op.alpha;
  for (std::size_t i = 0; i < op.dims.size(); ++i)
    text << (i == 0 ? " [" : ", ")
         << (op.dims[i] == kBatch && op.kind == OpKind::count ? "batch" : std::to_string(op.dims[i]));
  if (!op.dims.empty()) text << ']';
  if (op.ignore) text << " [" << *op.ignore << ']';
  return text.str();
}

}  // namespace

std::string Graph::to_string() const {
  const auto number = numbers(ops_);
  std::ostringstream text;
  for (const Tensor& t : ops_) {
    text << '%' << number.at(&t.op()) << " = " << t.kind();
    for (std::size_t i = 0; i < t.op().inputs.size(); ++i)
      text << (i == 0 ? "(%" : ", %") << number.at(&t.op().inputs[i].op());
    text << (t.op().inputs.empty() ? "" : ")") << attributes(t.op()) << "  " << backpass::to_string(t.shape()) << ' '
         << name(t.dtype()) << '\n';
  }
  text << "return";
  for (std::size_t i = 0; i < outputs_.size(); ++i) text << (i == 0 ? " %" : ", %") << number.at(&outputs_[i].op());
  text << '\n';
  return text.str();
}

std::string Graph::to_dot() const {
  const auto number = numbers(ops_);
  std::ostringstream text;
  text << "digraph backpass {\n  rankdir=LR;\n";
  for (const Tensor& t : ops_) {
    const bool leaf = t.op().inputs.empty();
    text << "  n" << number.at(&t.op()) << " [shape=" << (leaf ? "ellipse" : "box") << ", label=\""
         << (t.name().empty() ? t.kind() : t.name()) << "\\n"
         << backpass::to_string(t.shape()) << "\"];\n";
    for (const Tensor& from : t.op().inputs)
      text << "  n" << number.at(&from.op()) << " -> n" << number.at(&t.op()) << ";\n";
  }
  text << "}\n";
  return text.str();
}

}  // namespace backpass
