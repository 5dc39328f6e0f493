// The way back through all steps of a recurrent layer. What weights get is a product over all steps, made elsewhere.
#include <algorithm>
#include <utility>

#include "plan/calls/recurrent.h"

namespace backpass {
namespace {

using F = Elementwise;

template <class T>
class RecurrentGradCall final : public RecurrentWalk<T> {
  using Walk = RecurrentWalk<T>;
  using typename Walk::At;
  using typename Walk::Rows;
  using Walk::apply, Walk::at, Walk::g_, Walk::h_, Walk::multiply, Walk::s_, Walk::take;

 public:
  RecurrentGradCall(const kernels::Kernels<T>& k, const RecurrentSpec& spec) : Walk(k, spec, true) {}

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    Rows rows = Walk::rows_of(context, task, scratch);
    if (rows.count == 0) return;
    Memory m{take(rows, g_), take(rows, g_), take(rows, h_), take(rows, h_),
             take(rows, h_), take(rows, h_), take(rows, h_), take(rows, h_)};
    std::fill_n(m.h, rows.count * h_, T(0));
    std::fill_n(m.c, rows.count * h_, T(0));
    for (Dim i = s_.steps; i-- > 0;) walk(rows, i, m);
    store_first(rows, m.h, RecurrentGrad::state);
    store_first(rows, m.c, RecurrentGrad::cell);
  }

 private:
  // Gradients: to gates before their function; to the products of a gru; to states and cell states behind the step and
  // before it. And what is needed once.
  struct Memory {
    T *z, *q, *h, *before, *c, *before_c, *once, *other;
  };

  void walk(const Rows& rows, Dim i, Memory& m) const noexcept {
    const Dim t = Walk::step(i);
    T* sum = s_.flows_to == RecurrentPart::states ? m.h : m.c;
    apply(F::add, rows, sum, h_, {sum, h_}, along(rows, s_.grad, t, h_), h_);
    make(rows, i, m);
    Walk::clear_ended(rows, t, m.z, g_);
    Walk::store(rows, m.z, g_, RecurrentGrad::x, t);
    if (s_.settings.cell == Cell::gru) {
      Walk::clear_ended(rows, t, m.q, g_);
      Walk::store(rows, m.q, g_, RecurrentGrad::product, t);
    }
    Walk::keep_ended(rows, t, m.before, m.h, h_);
    std::swap(m.h, m.before);
    if (s_.cell < 0) return;
    Walk::keep_ended(rows, t, m.before_c, m.c, h_);
    std::swap(m.c, m.before_c);
  }

  void make(const Rows& rows, Dim i, const Memory& m) const noexcept {
    switch (s_.settings.cell) {
      case Cell::tanh:
        return plain(rows, i, m, F::tanh_grad);
      case Cell::relu:
        return plain(rows, i, m, F::relu_grad);
      case Cell::lstm:
        return lstm(rows, i, m);
      case Cell::gru:
        return gru(rows, i, m);
      case Cell::gru_before:
        return gru_before(rows, i, m);
    }
  }

  At along(const Rows& rows, int value, Dim t, Dim width) const {
    return {at(rows, value, t, width), s_.steps * width};
  }
  At gate(const Rows& rows, Dim t, Dim which) const { return {at(rows, s_.gates, t, g_) + which * h_, s_.steps * g_}; }
  // Before the i-th step.
  At before(const Rows& rows, Dim i, int first, int later) const {
    if (i == 0) return {Walk::first_of(rows, first), h_};
    return along(rows, later, Walk::step(i - 1), h_);
  }

  void store_first(const Rows& rows, const T* from, RecurrentGrad which) const noexcept {
    for (const int value : Walk::outs(which)) std::copy_n(from, rows.count * h_, Walk::first_of(rows, value));
  }

  void plain(const Rows& rows, Dim i, const Memory& m, F derivative) const noexcept {
    apply(derivative, rows, m.z, h_, {m.h, h_}, along(rows, s_.states, Walk::step(i), h_), h_);
    multiply(rows, m.before, h_, m.z, h_, 0, false);
  }

  void lstm(const Rows& rows, Dim index, const Memory& m) const noexcept {
    const Dim t = Walk::step(index);
    const At i = gate(rows, t, 0), f = gate(rows, t, 1), g = gate(rows, t, 2), o = gate(rows, t, 3);
    T *zi = m.z, *zf = m.z + h_, *zg = m.z + 2 * h_, *zo = m.z + 3 * h_;
    apply(F::tanh, rows, m.once, h_, along(rows, s_.more, t, h_), h_);
    apply(F::multiply, rows, zo, g_, {m.h, h_}, {m.once, h_}, h_);
    apply(F::sigmoid_grad, rows, zo, g_, {zo, g_}, o, h_);
    apply(F::multiply, rows, m.other, h_, {m.h, h_}, o, h_);
    apply(F::tanh_grad, rows, m.other, h_, {m.other, h_}, {m.once, h_}, h_);
    apply(F::add, rows, m.other, h_, {m.other, h_}, {m.c, h_}, h_);
    const At c{m.other, h_};
    apply(F::multiply, rows, zi, g_, c, g, h_);
    apply(F::sigmoid_grad, rows, zi, g_, {zi, g_}, i, h_);
    apply(F::multiply, rows, zf, g_, c, before(rows, index, s_.cell, s_.more), h_);
    apply(F::sigmoid_grad, rows, zf, g_, {zf, g_}, f, h_);
    apply(F::multiply, rows, zg, g_, c, i, h_);
    apply(F::tanh_grad, rows, zg, g_, {zg, g_}, g, h_);
    apply(F::multiply, rows, m.before_c, h_, c, f, h_);
    multiply(rows, m.before, h_, m.z, g_, 0, false);
  }

  // To the update gate and to n, and by z h to the state.
  void update(const Rows& rows, Dim i, const Memory& m) const noexcept {
    const Dim t = Walk::step(i);
    const At z = gate(rows, t, 1), n = gate(rows, t, 2);
    T *zz = m.z + h_, *zn = m.z + 2 * h_;
    apply(F::subtract, rows, m.once, h_, before(rows, i, s_.state, s_.states), n, h_);
    apply(F::multiply, rows, zz, g_, {m.once, h_}, {m.h, h_}, h_);
    apply(F::sigmoid_grad, rows, zz, g_, {zz, g_}, z, h_);
    apply(F::multiply, rows, m.before, h_, {m.h, h_}, z, h_);
    apply(F::subtract, rows, zn, g_, {m.h, h_}, {m.before, h_}, h_);
    apply(F::tanh_grad, rows, zn, g_, {zn, g_}, n, h_);
  }

  void gru(const Rows& rows, Dim i, const Memory& m) const noexcept {
    const Dim t = Walk::step(i);
    const At r = gate(rows, t, 0), zn{m.z + 2 * h_, g_};
    update(rows, i, m);
    apply(F::multiply, rows, m.z, g_, zn, along(rows, s_.more, t, h_), h_);
    apply(F::sigmoid_grad, rows, m.z, g_, {m.z, g_}, r, h_);
    apply(F::copy, rows, m.q, g_, {m.z, g_}, 2 * h_);
    apply(F::multiply, rows, m.q + 2 * h_, g_, zn, r, h_);
    multiply(rows, m.before, h_, m.q, g_, 0, true);
  }

  void gru_before(const Rows& rows, Dim i, const Memory& m) const noexcept {
    const Dim t = Walk::step(i);
    const At r = gate(rows, t, 0), state = before(rows, i, s_.state, s_.states);
    update(rows, i, m);
    multiply(rows, m.other, h_, m.z + 2 * h_, g_, 1, false);  // to r h
    apply(F::multiply, rows, m.z, g_, {m.other, h_}, state, h_);
    apply(F::sigmoid_grad, rows, m.z, g_, {m.z, g_}, r, h_);
    apply(F::multiply, rows, m.other, h_, {m.other, h_}, r, h_);
    apply(F::add, rows, m.before, h_, {m.before, h_}, {m.other, h_}, h_);
    multiply(rows, m.before, h_, m.z, g_, 0, true);
    for (const int reset : Walk::outs(RecurrentGrad::reset))
      apply(F::multiply, rows, at(rows, reset, t, h_), s_.steps * h_, r, state, h_);
  }
};

}  // namespace

template <class T>
CallPtr make_recurrent_grad_call(const kernels::Kernels<T>& k, const RecurrentSpec& spec) {
  return std::make_unique<RecurrentGradCall<T>>(k, spec);
}

template CallPtr make_recurrent_grad_call<float>(const kernels::Kernels<float>&, const RecurrentSpec&);
template CallPtr make_recurrent_grad_call<double>(const kernels::Kernels<double>&, const RecurrentSpec&);

}  // namespace backpass
