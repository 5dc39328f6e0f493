// What walks through time share; and the weight, packed for the product of each step.
#include <algorithm>
#include <bit>
#include <sstream>

#include "plan/calls/recurrent.h"

namespace backpass {
namespace {

constexpr Dim kLeastRowsOfWalk = 16, kMostWalks = 16;
constexpr int kWalkBuffers = 6;  // of the width of states, for the rows of a task; beside them two of that of the gates

// By shape alone: powers of two, so that workers get as much as each other.
Dim walks_for(Dim rows) {
  const Dim wanted = std::clamp<Dim>(rows / kLeastRowsOfWalk, 1, kMostWalks);
  return static_cast<Dim>(std::bit_floor(static_cast<std::uint64_t>(wanted)));
}

Dim round_up_to(Dim value, Dim step) { return ceil_div(value, step) * step; }

constexpr Dim kWalkAligned = 16;  // elements: a cache line at least

std::vector<kernels::Run> runs_of(Dim k, Dim depth, Dim b_step) {
  std::vector<kernels::Run> runs;
  for (Dim done = 0; done < k; done += depth) runs.push_back({done, done * b_step, std::min(depth, k - done)});
  return runs;
}

template <class T>
class PanelsCall final : public Call {
 public:
  PanelsCall(const kernels::Kernels<T>& k, const PanelsSpec& spec) : k_(k), s_(spec) {
    for (const PanelsPart& part : s_.parts)
      for (Dim col = 0; col < s_.n(part); col += k_.nr) panels_.push_back({part, col});
    tasks = static_cast<Dim>(panels_.size());
    name = "pack_recurrent";
    std::ostringstream text;
    text << '(' << s_.gate_width << ", " << s_.width << ')';
    detail = text.str();
    reads = {s_.weight};
    writes = {s_.out};
    bytes = 2.0 * sizeof(T) * static_cast<double>(s_.gate_width * s_.width);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const auto& [part, col] = panels_[static_cast<std::size_t>(task)];
    const Dim k = s_.k(part), n = std::min<Dim>(k_.nr, s_.n(part) - col);
    const Dim b_k = s_.transposed ? s_.width : 1, b_col = s_.transposed ? 1 : s_.width;
    const T* b = reinterpret_cast<const T*>(context.address[s_.weight]) + part.first * s_.width + col * b_col;
    T* out = reinterpret_cast<T*>(context.address[s_.out]) + part.packed + col * k;
    const kernels::Run all{0, 0, k};
    k_.pack_runs(out, b, b_k, b_col, n, &all, 1);
  }

 private:
  struct Panel {
    PanelsPart part;
    Dim col;
  };
  const kernels::Kernels<T>& k_;
  PanelsSpec s_;
  std::vector<Panel> panels_;
};

}  // namespace

template <class T>
PanelsSpec panels_of(const kernels::Kernels<T>& k, Cell cell, Dim width, bool transposed) {
  PanelsSpec spec{-1, -1, gates_of(cell) * width, width, transposed, {}};
  const bool two = cell == Cell::gru_before;
  spec.parts.push_back({0, two ? 2 * width : spec.gate_width, 0});
  if (two) {
    const Dim before = spec.k(spec.parts[0]) * round_up_to(spec.n(spec.parts[0]), k.vector);
    spec.parts.push_back({2 * width, width, round_up_to(before, kWalkAligned)});
  }
  return spec;
}

template <class T>
Dim panels_elements(const kernels::Kernels<T>& k, const PanelsSpec& spec) {
  const PanelsPart& last = spec.parts.back();
  return last.packed + spec.k(last) * round_up_to(spec.n(last), k.vector);
}

template <class T>
CallPtr make_panels_call(const kernels::Kernels<T>& k, const PanelsSpec& spec) {
  return std::make_unique<PanelsCall<T>>(k, spec);
}

template <class T>
RecurrentWalk<T>::RecurrentWalk(const kernels::Kernels<T>& k, const RecurrentSpec& spec, bool back)
    : k_(k),
      s_(spec),
      h_(spec.width),
      g_(spec.gate_width()),
      panels_(panels_of(k, spec.settings.cell, spec.width, back)) {
  for (const PanelsPart& part : panels_.parts) runs_.push_back(runs_of(panels_.k(part), k.kc, 0));
  for (const RecurrentSpec::Part& part : s_.parts) {
    outs_[static_cast<std::size_t>(part.which)].push_back(part.out);
    writes.push_back(part.out);
  }
  for (const int value :
       {s_.x, s_.panels, s_.bias, s_.state, s_.cell, s_.lengths, s_.states, s_.gates, s_.more, s_.grad})
    if (value >= 0 && std::ranges::find(reads, value) == reads.end()) reads.push_back(value);
  tasks = walks_for(s_.rows);
  most_rows_ = ceil_div(s_.rows, tasks);
  const Dim states = round_up_to(most_rows_ * h_, kWalkAligned), gates = round_up_to(most_rows_ * g_, kWalkAligned);
  scratch_bytes = static_cast<std::size_t>(kWalkBuffers * states + 2 * gates) * sizeof(T);
  name = back ? "recurrent_grad" : "recurrent";
  std::ostringstream text;
  text << backpass::name(s_.settings.cell) << ' ' << h_ << ", " << s_.steps << " steps"
       << (s_.settings.reverse ? " back" : "") << " of " << s_.rows << " rows";
  detail = text.str();
  const double elements = static_cast<double>(s_.rows * s_.steps);
  flops = 2 * elements * static_cast<double>(g_ * h_);
  bytes = sizeof(T) * elements * static_cast<double>(2 * g_ + 2 * h_);
  cost = kNanosecondsPerCall * static_cast<double>(tasks * s_.steps) + flops / kFlopsPerNanosecond * (sizeof(T) / 4.0) +
         0.5 * elements * static_cast<double>(g_);
}

template <class T>
typename RecurrentWalk<T>::Rows RecurrentWalk<T>::rows_of(const Context& context, Dim task,
                                                          std::byte* scratch) const noexcept {
  const Dim first = s_.rows * task / tasks, end = s_.rows * (task + 1) / tasks;
  return {context, first, end - first, reinterpret_cast<T*>(scratch)};
}

template <class T>
T* RecurrentWalk<T>::take(Rows& rows, Dim width) const noexcept {
  T* taken = rows.scratch;
  rows.scratch += round_up_to(most_rows_ * width, kWalkAligned);
  return taken;
}

template <class T>
void RecurrentWalk<T>::multiply(const Rows& rows, T* c, Dim ldc, const T* a, Dim lda, std::size_t part,
                                bool add) const noexcept {
  const PanelsPart& of = panels_.parts[part];
  const std::vector<kernels::Run>& runs = runs_[part];
  const T* b = reinterpret_cast<const T*>(rows.context.address[s_.panels]) + of.packed;
  k_.window_product({c, 0, ldc, a, 0, lda, 1, b, 0, true, 1, rows.count, panels_.n(of), panels_.k(of), runs.data(),
                     static_cast<kernels::Size>(runs.size()), add, nullptr});
}

template <class T>
bool RecurrentWalk<T>::has_ended(const Rows& rows, Dim t, Dim row) const noexcept {
  return t >= reinterpret_cast<const std::int32_t*>(rows.context.address[s_.lengths])[rows.first + row];
}

template <class T>
void RecurrentWalk<T>::keep_ended(const Rows& rows, Dim t, T* now, const T* before, Dim width) const noexcept {
  if (s_.lengths < 0) return;
  for (Dim row = 0; row < rows.count; ++row)
    if (has_ended(rows, t, row)) std::copy_n(before + row * width, width, now + row * width);
}

template <class T>
void RecurrentWalk<T>::clear_ended(const Rows& rows, Dim t, T* now, Dim width) const noexcept {
  if (s_.lengths < 0) return;
  for (Dim row = 0; row < rows.count; ++row)
    if (has_ended(rows, t, row)) std::fill_n(now + row * width, width, T(0));
}

template <class T>
void RecurrentWalk<T>::store_in(const Rows& rows, const T* from, Dim width, int value, Dim t) const noexcept {
  T* to = at(rows, value, t, width);
  for (Dim row = 0; row < rows.count; ++row) std::copy_n(from + row * width, width, to + row * s_.steps * width);
}

template class RecurrentWalk<float>;
template class RecurrentWalk<double>;
template PanelsSpec panels_of<float>(const kernels::Kernels<float>&, Cell, Dim, bool);
template PanelsSpec panels_of<double>(const kernels::Kernels<double>&, Cell, Dim, bool);
template Dim panels_elements<float>(const kernels::Kernels<float>&, const PanelsSpec&);
template Dim panels_elements<double>(const kernels::Kernels<double>&, const PanelsSpec&);
template CallPtr make_panels_call<float>(const kernels::Kernels<float>&, const PanelsSpec&);
template CallPtr make_panels_call<double>(const kernels::Kernels<double>&, const PanelsSpec&);

}  // namespace backpass
