// Calls that walk through time, and what the walk there and the walk back share.
#pragma once

#include <array>

#include "graph/recurrent.h"
#include "plan/calls/calls.h"

namespace backpass {

// Values; see RecurrentInputs and RecurrentKept. What is not there is -1.
struct RecurrentSpec {
  struct Part {
    int which = 0;  // RecurrentPart, or RecurrentGrad
    int out = -1;
  };
  Recurrent settings;
  Dim rows = 0, steps = 0, width = 0;
  int x = -1, panels = -1, bias = -1, state = -1, cell = -1, lengths = -1;
  int states = -1, gates = -1, more = -1, grad = -1;
  RecurrentPart flows_to = RecurrentPart::states;
  std::vector<Part> parts = {};

  Dim gate_width() const { return gates_of(settings.cell) * width; }
};

template <class T>
CallPtr make_recurrent_call(const kernels::Kernels<T>& k, const RecurrentSpec& spec);
template <class T>
CallPtr make_recurrent_grad_call(const kernels::Kernels<T>& k, const RecurrentSpec& spec);

// Rows [first, first + count) of the weight as B of a product, in the order in which its kernel reads them: (k, n).
struct PanelsPart {
  Dim first = 0, count = 0;
  Dim packed = 0;  // where they begin
};
struct PanelsSpec {
  int out = -1, weight = -1;
  Dim gate_width = 0, width = 0;
  bool transposed = false;  // by columns of the weight: n is its width
  std::vector<PanelsPart> parts = {};

  Dim k(const PanelsPart& part) const { return transposed ? part.count : width; }
  Dim n(const PanelsPart& part) const { return transposed ? width : part.count; }
};
// One part, or where the reset gate stands before the product two.
template <class T>
PanelsSpec panels_of(const kernels::Kernels<T>& k, Cell cell, Dim width, bool transposed);
template <class T>
Dim panels_elements(const kernels::Kernels<T>& k, const PanelsSpec& spec);
template <class T>
CallPtr make_panels_call(const kernels::Kernels<T>& k, const PanelsSpec& spec);

// A task walks through all steps with some rows of the batch, and meets no other.
template <class T>
class RecurrentWalk : public Call {
 protected:
  RecurrentWalk(const kernels::Kernels<T>& k, const RecurrentSpec& spec, bool back);

  // Some rows of the batch, and where the scratch of their task begins.
  struct Rows {
    const Context& context;
    Dim first, count;
    T* scratch;
  };
  Rows rows_of(const Context& context, Dim task, std::byte* scratch) const noexcept;
  // Memory for (most rows, width): the next of this task.
  T* take(Rows& rows, Dim width) const noexcept;

  // Elements of a row at a step, of a value (rows, steps, width).
  T* at(const Rows& rows, int value, Dim t, Dim width) const noexcept {
    return reinterpret_cast<T*>(rows.context.address[value]) + (rows.first * s_.steps + t) * width;
  }
  T* first_of(const Rows& rows, int value) const noexcept {
    return reinterpret_cast<T*>(rows.context.address[value]) + rows.first * s_.width;
  }
  // Which step is the i-th of the walk from the first states on.
  Dim step(Dim i) const { return s_.settings.reverse ? s_.steps - 1 - i : i; }

  // out = fn(a, b) over (rows, cols), whose rows lie so far apart; 0: the same for all.
  struct At {
    const T* data;
    Dim ld;
  };
  void apply(Elementwise fn, const Rows& rows, T* out, Dim ldo, At a, At b, Dim cols) const noexcept {
    k_.elementwise[static_cast<std::size_t>(fn)](out, ldo, a.data, a.ld, b.data, b.ld, T(0), rows.count, cols);
  }
  void apply(Elementwise fn, const Rows& rows, T* out, Dim ldo, At a, Dim cols) const noexcept {
    apply(fn, rows, out, ldo, a, {nullptr, 0}, cols);
  }
  // c (rows, n) = a (rows, k) times a part of the weight, or added to c.
  void multiply(const Rows& rows, T* c, Dim ldc, const T* a, Dim lda, std::size_t part, bool add) const noexcept;
  // Rows that have ended before step t keep what they had.
  void keep_ended(const Rows& rows, Dim t, T* now, const T* before, Dim width) const noexcept;
  void clear_ended(const Rows& rows, Dim t, T* now, Dim width) const noexcept;
  bool has_ended(const Rows& rows, Dim t, Dim row) const noexcept;
  // (rows, width) into values (rows, steps, width).
  template <class Part>
  void store(const Rows& rows, const T* from, Dim width, Part part, Dim t) const noexcept {
    for (const int value : outs(part)) store_in(rows, from, width, value, t);
  }
  // The values that want a part.
  template <class Part>
  const std::vector<int>& outs(Part part) const {
    return outs_[static_cast<std::size_t>(part)];
  }

  const kernels::Kernels<T>& k_;
  RecurrentSpec s_;
  Dim h_, g_;  // widths of states and of all gates

 private:
  void store_in(const Rows& rows, const T* from, Dim width, int value, Dim t) const noexcept;

  std::array<std::vector<int>, 5> outs_;
  PanelsSpec panels_;
  std::vector<std::vector<kernels::Run>> runs_;  // by part
  Dim most_rows_ = 0;
};

extern template class RecurrentWalk<float>;
extern template class RecurrentWalk<double>;

}  // namespace backpass
