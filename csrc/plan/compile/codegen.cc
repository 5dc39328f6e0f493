// Code generation: one instruction or two per op, then registers by last use.
#include "plan/compile/codegen.h"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <tuple>

#include "graph/op_row.h"
#include "plan/compile/registers.h"

namespace backpass {
namespace {

Code code_of(OpKind generator) {
  if (generator == OpKind::random_keep) return Code::random_keep;
  return generator == OpKind::random_normal ? Code::random_normal : Code::random_uniform;
}

// Shorter pieces than this are quicker copied side by side than walked one by one.
constexpr Dim kLeastBlock = 256;

// The shortest of the blocks that views have, if there is one that is long enough.
void choose_block(Program& program) {
  for (const View& view : program.views)
    if (!view.column && view.rows * program.cols >= kLeastBlock)
      program.block = program.block > 0 ? std::min(program.block, view.rows) : view.rows;
}

class Generator {
 public:
  Generator(std::size_t index, const Fusion& fusion, Sources& sources, const ValueOf& value_of, int product,
            int partials)
      : index_(index),
        cluster_(fusion.clusters[index]),
        fusion_(fusion),
        sources_(sources),
        value_of_(value_of),
        product_(product),
        partials_(partials) {
    program_.rows = cluster_.space.rows;
    program_.cols = cluster_.space.cols;
    program_.whole_rows = cluster_.whole_rows;
  }

  Program run() {
    for (const Tensor& t : cluster_.ops) emit(t);
    choose_block(program_);
    allocate_registers(program_);
    return std::move(program_);
  }

 private:
  bool one_column() const { return program_.cols == 1; }

  // Full values cover the cluster's space; beside them stand columns, one element per row.
  Layout kind(const Tensor& t) const {
    if (one_column()) return Layout::full;
    return sources_.elements(t) == program_.rows * program_.cols ? Layout::full : Layout::column;
  }

  void emit(const Tensor& t) {
    if (sources_.of(t).root != t) return emit_copy(t);
    switch (role(t.op())) {
      case Role::elementwise:
        return emit_elementwise(t);
      case Role::row:
      case Role::row_number:
        return emit_row(t);
      case Role::sum:
        return is_total_sum(t) ? emit_total(t) : emit_row_sum(t);
      case Role::generator:
        return emit_random(t);
      case Role::product:
      case Role::convolution:
        made_[&t.op()] = {Layout::full, false, product_};
        return;
      case Role::leaf:
      case Role::view:
      case Role::windows:
      case Role::linalg:
      case Role::movement:
      case Role::lookup:
      case Role::axis:
      case Role::recurrent:
      case Role::update:
      case Role::host:
        return emit_copy(t);
    }
  }

  void emit_row(const Tensor& t) {
    const Op& op = t.op();
    switch (row_of(op).row) {
      case RowFunction::softmax:
      case RowFunction::log_sum_exp:
        return emit_softmax(t, op.inputs[0]);
      case RowFunction::below_max:
        return emit_softmax(t, t);
      case RowFunction::center:
        return push({.code = Code::center, .a = dense(operand(op.inputs[0], Layout::full))}, t);
      case RowFunction::inverse_rms:
        return push({.code = Code::inverse_rms, .alpha = op.alpha, .a = operand(op.inputs[0], Layout::full)}, t);
      case RowFunction::take_label:
        return emit_label(t, Code::take_label, Layout::full);
      case RowFunction::put_label:
        return emit_label(t, Code::put_label, Layout::column);
      case RowFunction::none:
        throw std::logic_error("[plan] a row operation that is none");
    }
  }

  void emit_label(const Tensor& t, Code code, Layout want) {
    const Op& op = t.op();
    push({.code = code,
          .ignore = op.ignore,
          .a = operand(op.inputs[0], want),
          .b = memory(op.inputs[1], Layout::column)},
         t);
  }

  void emit_elementwise(const Tensor& t) {
    const Op& op = t.op();
    const Layout want = kind(t);
    if (const auto scaled = sources_.scaling(t); scaled && op.fn != Elementwise::negate) return emit_scale(t, *scaled);
    const bool adds = op.fn == Elementwise::add || op.fn == Elementwise::subtract;
    if (adds)
      if (const Source b = sources_.of(op.inputs[1]); b.constant)
        return push({.fn = Elementwise::shift,
                     .alpha = op.fn == Elementwise::add ? *b.constant : -*b.constant,
                     .a = operand(op.inputs[0], want)},
                    t);
    Instruction i{.fn = op.fn, .alpha = op.alpha, .a = operand(op.inputs[0], want)};
    if (op.inputs.size() > 1) i.b = operand(op.inputs[1], want);
    push(i, t);
  }

  void emit_scale(const Tensor& t, const std::pair<double, Tensor>& scaled) {
    const Operand a = operand(scaled.second, kind(t));
    push({.fn = Elementwise::scale, .alpha = scaled.first, .a = a}, t);
  }

  // softmax and log-sum-exp of one tensor z come from one pass, and so does z where it is below_max: then t is z.
  void emit_softmax(const Tensor& t, const Tensor& z) {
    if (made_.count(&t.op())) return;
    const bool shifts = t == z;
    Instruction i{.code = Code::softmax, .a = dense(operand(shifts ? z.op().inputs[0] : z, Layout::full))};
    if (shifts) i.out3 = made_[&z.op()] = destination(z);
    for (const Tensor& u : cluster_.ops) {
      if (u.op().inputs.empty() || !(u.op().inputs[0] == z) || made_.count(&u.op())) continue;
      Operand* out = u.op().kind == OpKind::softmax ? &i.out : u.op().kind == OpKind::log_sum_exp ? &i.out2 : nullptr;
      if (out != nullptr && out->layout == Layout::none) *out = made_[&u.op()] = destination(u);
    }
    program_.instructions.push_back(i);
  }

  void emit_row_sum(const Tensor& t) { push({.code = Code::row_sum, .a = operand(t.op().inputs[0], Layout::full)}, t); }

  void emit_total(const Tensor& t) {
    const Tensor& x = t.op().inputs[0];
    const Layout want = kind(x);
    const auto scaled = fusion_.scaled_sums.find(&t.op());
    const Tensor& result = scaled == fusion_.scaled_sums.end() ? t : scaled->second.result;
    program_.sums.push_back(
        {value_of_.at(&result.op()), partials_, scaled == fusion_.scaled_sums.end() ? 1 : scaled->second.alpha});
    program_.instructions.push_back(
        {.code = Code::total_sum, .sum = static_cast<int>(program_.sums.size()) - 1, .a = dense(operand(x, want))});
  }

  void emit_random(const Tensor& t) { push(drawing(t, {}), t); }

  Instruction drawing(const Tensor& t, const Operand& out) const {
    return {.code = code_of(t.op().kind), .alpha = t.op().alpha, .stream = sources_.stream(t.op()), .out = out};
  }

  bool written_later(const Tensor& generator) const {
    const auto found = fusion_.cluster_of.find(&generator.op());
    return is_generator(generator) && found != fusion_.cluster_of.end() && found->second > index_;
  }

  // A view or a constant that must lie in memory.
  void emit_copy(const Tensor& t) { push({.fn = Elementwise::copy, .a = view(sources_.of(t), Layout::full)}, t); }

  void push(Instruction i, const Tensor& t) {
    i.out = made_[&t.op()] = destination(t);
    program_.instructions.push_back(i);
  }

  Operand destination(const Tensor& t) {
    const auto value = value_of_.find(&t.op());
    if (value != value_of_.end()) return {kind(t), false, value->second};
    return temporary(kind(t));
  }

  Operand temporary(Layout layout) { return {layout, true, program_.registers++}; }

  Operand memory(const Tensor& t, Layout layout) const {
    return {layout, false, value_of_.at(&sources_.of(t).root.op())};
  }

  // What instruction operands read: registers, memory, or a temporary that spreads a constant or a column.
  Operand operand(const Tensor& t, Layout want) { return view(fusion_.seen(t, index_, sources_), want); }

  Operand view(const Source& source, Layout want) {
    if (source.constant) return spread({.code = Code::fill, .alpha = *source.constant}, want);
    const auto made = made_.find(&source.root.op());
    if (made != made_.end()) return fit(made->second, want);
    const auto value = value_of_.find(&source.root.op());
    if (value == value_of_.end() || written_later(source.root)) {  // a generator: drawn here
      if (!is_generator(source.root)) throw std::logic_error("[plan] an operand of a program is nowhere");
      made_[&source.root.op()] = temporary(kind(source.root));
      program_.instructions.push_back(drawing(source.root, made_.at(&source.root.op())));
      return fit(made_.at(&source.root.op()), want);
    }
    if (source.layout == Layout::scalar)
      return spread({.code = Code::load_scalar, .a = {Layout::scalar, false, value->second}}, want);
    if (source.layout == Layout::row) return {Layout::row, false, value->second};
    if (source.layout == Layout::strided) return fit(strided(source.view, value->second, want), want);
    const bool column = source.layout == Layout::column || want == Layout::column;
    return fit({column && !one_column() ? Layout::column : Layout::full, false, value->second}, want);
  }

  // One element per row is a column, whichever way it came to be that.
  Operand strided(View view, int value, Layout want) {
    view.column = view.column || want == Layout::column || one_column();
    std::size_t index = 0;
    while (index < viewed_.size() && !(viewed_[index] == value && program_.views[index] == view)) ++index;
    if (index == viewed_.size()) {
      viewed_.push_back(value);
      program_.views.push_back(std::move(view));
    }
    return {Layout::strided, false, value, static_cast<int>(index)};
  }

  bool is_column(const Operand& operand) const {
    if (operand.layout != Layout::strided) return operand.layout == Layout::column;
    return program_.views[static_cast<std::size_t>(operand.view)].column && !one_column();
  }

  Operand fit(const Operand& operand, Layout want) {
    if (!is_column(operand) || want != Layout::full) return operand;
    Operand& out = spread_columns_[{operand.in_register, operand.index, operand.view}];
    if (out.layout == Layout::none) {
      out = temporary(Layout::full);
      program_.instructions.push_back({.code = Code::broadcast_column, .out = out, .a = operand});
    }
    return out;
  }

  // One row is enough for a full operand: it is read with stride 0.
  Operand spread(Instruction i, Layout want) {
    i.out = temporary(want == Layout::full && !one_column() ? Layout::row : want);
    program_.instructions.push_back(i);
    return i.out;
  }

  // As full rows, for reductions that count elements.
  Operand dense(const Operand& a) {
    if (a.layout != Layout::row && a.layout != Layout::strided) return a;
    const Operand out = temporary(Layout::full);
    program_.instructions.push_back({.fn = Elementwise::copy, .out = out, .a = a});
    return out;
  }

  std::size_t index_;
  const Cluster& cluster_;
  const Fusion& fusion_;
  Sources& sources_;
  const ValueOf& value_of_;
  int product_, partials_;
  Program program_;
  std::unordered_map<const Op*, Operand> made_;
  std::map<std::tuple<bool, int, int>, Operand> spread_columns_;
  std::vector<int> viewed_;  // the value behind each of the program's views: they have one register each
};

}  // namespace

Program generate(std::size_t index, const Fusion& fusion, Sources& sources, const ValueOf& value_of, int product,
                 int partials) {
  return Generator(index, fusion, sources, value_of, product, partials).run();
}

}  // namespace backpass
