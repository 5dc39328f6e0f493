// A recurrent layer through all steps: the product of a step while its states are in the cache, then the gates.
#include <algorithm>
#include <utility>

#include "plan/calls/recurrent.h"

namespace backpass {
namespace {

using F = Elementwise;

template <class T>
class RecurrentCall final : public RecurrentWalk<T> {
  using Walk = RecurrentWalk<T>;
  using typename Walk::Rows;
  using Walk::apply, Walk::at, Walk::g_, Walk::h_, Walk::multiply, Walk::s_, Walk::take;

 public:
  RecurrentCall(const kernels::Kernels<T>& k, const RecurrentSpec& spec) : Walk(k, spec, false) {}

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    Rows rows = Walk::rows_of(context, task, scratch);
    if (rows.count == 0) return;
    Memory m{take(rows, g_), take(rows, g_), take(rows, h_), take(rows, h_),
             take(rows, h_), take(rows, h_), take(rows, h_)};
    std::copy_n(Walk::first_of(rows, s_.state), rows.count * h_, m.h);
    if (s_.cell >= 0) std::copy_n(Walk::first_of(rows, s_.cell), rows.count * h_, m.c);
    for (Dim i = 0; i < s_.steps; ++i) walk(rows, Walk::step(i), m);
  }

 private:
  // Gates; products of a gru; states and cell states before the step and behind it; and what is needed once.
  struct Memory {
    T *z, *q, *h, *next, *c, *next_c, *once;
  };

  void walk(const Rows& rows, Dim t, Memory& m) const noexcept {
    make(rows, t, m);
    Walk::keep_ended(rows, t, m.next, m.h, h_);
    Walk::store(rows, m.next, h_, RecurrentPart::states, t);
    Walk::store(rows, m.z, g_, RecurrentPart::gates, t);
    std::swap(m.h, m.next);
    if (s_.settings.cell == Cell::gru) store_products(rows, m.q, t);
    if (s_.cell < 0) return;
    Walk::keep_ended(rows, t, m.next_c, m.c, h_);
    Walk::store(rows, m.next_c, h_, RecurrentPart::more, t);
    std::swap(m.c, m.next_c);
  }

  void make(const Rows& rows, Dim t, const Memory& m) const noexcept {
    switch (s_.settings.cell) {
      case Cell::tanh:
        return plain(rows, t, m, F::tanh);
      case Cell::relu:
        return plain(rows, t, m, F::relu);
      case Cell::lstm:
        return lstm(rows, t, m);
      case Cell::gru:
      case Cell::gru_before:
        return gru(rows, t, m);
    }
  }

  const T* bias(const Rows& rows) const { return reinterpret_cast<const T*>(rows.context.address[s_.bias]); }
  Dim stride() const { return s_.steps * g_; }  // from a row of x to the next

  void add_product(const Rows& rows, Dim t, const Memory& m) const noexcept {
    apply(F::add, rows, m.z, g_, {at(rows, s_.x, t, g_), stride()}, {bias(rows), 0}, g_);
    multiply(rows, m.z, g_, m.h, h_, 0, true);
  }

  void plain(const Rows& rows, Dim t, const Memory& m, F function) const noexcept {
    add_product(rows, t, m);
    apply(function, rows, m.next, h_, {m.z, h_}, h_);
  }

  void lstm(const Rows& rows, Dim t, const Memory& m) const noexcept {
    add_product(rows, t, m);
    T *i = m.z, *f = m.z + h_, *g = m.z + 2 * h_, *o = m.z + 3 * h_;
    apply(F::sigmoid, rows, i, g_, {i, g_}, 2 * h_);
    apply(F::tanh, rows, g, g_, {g, g_}, h_);
    apply(F::sigmoid, rows, o, g_, {o, g_}, h_);
    apply(F::multiply, rows, m.next_c, h_, {f, g_}, {m.c, h_}, h_);
    apply(F::multiply, rows, m.once, h_, {i, g_}, {g, g_}, h_);
    apply(F::add, rows, m.next_c, h_, {m.next_c, h_}, {m.once, h_}, h_);
    apply(F::tanh, rows, m.once, h_, {m.next_c, h_}, h_);
    apply(F::multiply, rows, m.next, h_, {o, g_}, {m.once, h_}, h_);
  }

  // q = b + h Wᵀ, of some gates.
  void product(const Rows& rows, const Memory& m, Dim first, Dim count, const T* a, std::size_t part) const noexcept {
    T* q = m.q + first * h_;
    apply(F::copy, rows, q, g_, {bias(rows) + first * h_, 0}, count * h_);
    multiply(rows, q, g_, a, h_, part, true);
  }

  void gru(const Rows& rows, Dim t, const Memory& m) const noexcept {
    const bool before = s_.settings.cell == Cell::gru_before;
    const T* x = at(rows, s_.x, t, g_);
    T *r = m.z, *z = m.z + h_, *n = m.z + 2 * h_, *q = m.q + 2 * h_;
    product(rows, m, 0, before ? 2 : 3, m.h, 0);
    apply(F::add, rows, r, g_, {x, stride()}, {m.q, g_}, 2 * h_);
    apply(F::sigmoid, rows, r, g_, {r, g_}, 2 * h_);
    if (before) {
      apply(F::multiply, rows, m.once, h_, {r, g_}, {m.h, h_}, h_);
      product(rows, m, 2, 1, m.once, 1);
      apply(F::add, rows, n, g_, {x + 2 * h_, stride()}, {q, g_}, h_);
    } else {
      apply(F::multiply, rows, m.once, h_, {r, g_}, {q, g_}, h_);
      apply(F::add, rows, n, g_, {x + 2 * h_, stride()}, {m.once, h_}, h_);
    }
    apply(F::tanh, rows, n, g_, {n, g_}, h_);
    apply(F::subtract, rows, m.next, h_, {m.h, h_}, {n, g_}, h_);
    apply(F::multiply, rows, m.next, h_, {m.next, h_}, {z, g_}, h_);
    apply(F::add, rows, m.next, h_, {m.next, h_}, {n, g_}, h_);
  }

  // What the reset gate is multiplied by.
  void store_products(const Rows& rows, const T* q, Dim t) const noexcept {
    for (const int value : Walk::outs(RecurrentPart::more))
      apply(F::copy, rows, at(rows, value, t, h_), s_.steps * h_, {q + 2 * h_, g_}, h_);
  }
};

}  // namespace

template <class T>
CallPtr make_recurrent_call(const kernels::Kernels<T>& k, const RecurrentSpec& spec) {
  return std::make_unique<RecurrentCall<T>>(k, spec);
}

template CallPtr make_recurrent_call<float>(const kernels::Kernels<float>&, const RecurrentSpec&);
template CallPtr make_recurrent_call<double>(const kernels::Kernels<double>&, const RecurrentSpec&);

}  // namespace backpass
