// Linear algebra of dense matrices, several to a task where they are small; computed in float64.
#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "base/error.h"
#include "graph/op_row.h"
#include "plan/calls/calls.h"
#include "plan/calls/decompose.h"
#include "plan/calls/dense.h"
#include "plan/calls/first_bad.h"

namespace backpass {
namespace {

constexpr double kDenseTaskFlops = 40e3;  // some ten microseconds: these loops reach a quarter of a product's speed

// Where a matrix and its right-hand sides are computed.
struct Work {
  double* a;  // (rows, n)
  double* x;  // (n, columns)
  Dim* pivots;
};

template <class T>
class LinalgCall final : public Call {
 public:
  LinalgCall(const kernels::Kernels<T>& k, LinalgSpec spec)
      : s_(std::move(spec)), add_scaled_(k.add_scaled), count_(element_count(s_.lead)) {
    if (s_.kind == OpKind::inv) s_.columns = s_.n;
    if (s_.kind == OpKind::eigh) s_.columns = 2;
    if (s_.kind == OpKind::qr) s_.columns = 1;
    const double n = static_cast<double>(s_.n), rows = static_cast<double>(s_.rows);
    const double columns = static_cast<double>(s_.columns), each = flops_of_one();
    together_ = std::clamp<Dim>(static_cast<Dim>(kDenseTaskFlops / each), 1, std::max<Dim>(1, count_));
    tasks = std::max<Dim>(1, ceil_div(count_, together_));
    name = row_of(s_.kind).name;
    std::ostringstream text;
    if (!s_.lead.empty()) text << count_ << " of ";
    text << '(' << s_.rows << ", " << s_.n << ')';
    if (s_.b >= 0) text << ", " << s_.columns << " columns";
    detail = text.str();
    reads = {s_.a};
    if (s_.b >= 0) reads.push_back(s_.b);
    writes = {s_.out};
    may_fail = true;
    scratch_bytes = static_cast<std::size_t>(s_.n * (s_.rows + s_.columns)) * sizeof(double) +
                    static_cast<std::size_t>(s_.n) * sizeof(Dim);
    const double count = static_cast<double>(count_);
    flops = count * each;
    bytes = count * sizeof(T) * n * (2 * rows + columns);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + 4 * flops / kFlopsPerNanosecond;
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    Work work{reinterpret_cast<double*>(scratch), nullptr, nullptr};
    work.x = work.a + s_.rows * s_.n;
    work.pivots = reinterpret_cast<Dim*>(work.x + s_.n * s_.columns);
    const T* a = reinterpret_cast<const T*>(context.address[s_.a]);
    const T* b = s_.b >= 0 ? reinterpret_cast<const T*>(context.address[s_.b]) : nullptr;
    T* out = reinterpret_cast<T*>(context.address[s_.out]);
    const Dim first = task * together_, end = std::min(first + together_, count_);
    if (first >= end) return;
    for (Walk walk(s_.repeated, first); walk.index() < end; walk.next()) {
      T* to = out + walk.index() * elements();
      if (one(to, a + walk.a(), b ? b + walk.b() : nullptr, work)) continue;
      std::fill_n(to, elements(), std::numeric_limits<T>::quiet_NaN());
      bad_.remember(walk.index());
    }
  }

  bool failed() const noexcept override { return bad_.any(); }
  std::exception_ptr take_error() override {
    const std::optional<std::int64_t> bad = bad_.take();
    if (!bad) return nullptr;
    const char* what = s_.kind == OpKind::cholesky ? " is not positive definite"
                       : s_.kind == OpKind::eigh   ? " is not finite"
                                                   : " is singular";
    return std::make_exception_ptr(std::invalid_argument(message(name, which(*bad), what)));
  }

 private:
  double flops_of_one() const {
    const double n = static_cast<double>(s_.n), rows = static_cast<double>(s_.rows);
    const double columns = static_cast<double>(s_.columns);
    if (s_.kind == OpKind::eigh) return 9 * n * n * n + 100;
    if (s_.kind == OpKind::qr) return 4 * rows * n * n + 100;
    return n * n * (s_.kind == OpKind::triangular_solve ? columns : n / 1.5 + 2 * columns) + 100;
  }

  Dim elements() const noexcept {
    if (s_.kind == OpKind::eigh) return (s_.n + 1) * s_.n;
    if (s_.kind == OpKind::qr) return s_.rows * s_.n;
    if (s_.b >= 0) return s_.n * s_.columns;
    return s_.kind == OpKind::cholesky || s_.kind == OpKind::inv ? s_.n * s_.n : 1;
  }

  // "the matrix", "matrix 3", "matrix (1, 0)".
  std::string which(Dim index) const {
    if (s_.lead.empty()) return "the matrix";
    Shape at = s_.lead;
    for (std::size_t i = at.size(); i-- > 0; index /= s_.lead[i]) at[i] = index % s_.lead[i];
    return "matrix " + (at.size() == 1 ? std::to_string(at[0]) : to_string(at));
  }

  bool one(T* out, const T* a, const T* b, const Work& work) const noexcept {
    if (s_.kind == OpKind::cholesky) return cholesky(out, a, work.a);
    if (s_.kind == OpKind::qr) return orthonormal(out, a, work);
    if (s_.kind == OpKind::eigh) return eigen(out, a, work);
    std::copy_n(a, s_.n * s_.n, work.a);
    if (s_.kind == OpKind::triangular_solve) {
      std::copy_n(b, s_.n * s_.columns, work.x);
      const Dim row = s_.transpose ? 1 : s_.n, col = s_.transpose ? s_.n : 1;
      const TriangleView triangle{work.a, row, col, s_.lower != s_.transpose, s_.unit};
      return solve_in_place(add_scaled_, triangle, work.x, s_.n, s_.columns) && put(out, work.x);
    }
    double sign = 1;
    const bool regular = factor_lu(add_scaled_, work.a, work.pivots, sign, s_.n);
    if (s_.kind != OpKind::solve && s_.kind != OpKind::inv) {
      *out = static_cast<T>(determinant(work.a, sign));
      return true;
    }
    if (!regular) return false;
    if (b) {
      std::copy_n(b, s_.n * s_.columns, work.x);
    } else {
      std::fill_n(work.x, s_.n * s_.n, 0.0);
      for (Dim i = 0; i < s_.n; ++i) work.x[i * s_.n + i] = 1;
    }
    solve_lu(add_scaled_, work.a, work.pivots, s_.transpose, work.x, s_.n, s_.columns);
    return put(out, work.x);
  }

  bool put(T* out, const double* x) const noexcept {
    std::transform(x, x + s_.n * s_.columns, out, [](double element) { return static_cast<T>(element); });
    return true;
  }

  // The lower triangle of a as the upper one of u, and back.
  bool cholesky(T* out, const T* a, double* u) const noexcept {
    for (Dim i = 0; i < s_.n; ++i)
      for (Dim j = 0; j <= i; ++j) u[j * s_.n + i] = a[i * s_.n + j];
    if (!factor_cholesky(add_scaled_, u, s_.n)) return false;
    for (Dim i = 0; i < s_.n; ++i)
      for (Dim j = 0; j < s_.n; ++j) out[i * s_.n + j] = j <= i ? static_cast<T>(u[j * s_.n + i]) : T(0);
    return true;
  }

  bool orthonormal(T* out, const T* a, const Work& work) const noexcept {
    for (Dim i = 0; i < s_.rows; ++i)
      for (Dim j = 0; j < s_.n; ++j) work.a[j * s_.rows + i] = a[i * s_.n + j];
    make_orthonormal(work.a, work.x, s_.rows, s_.n);
    for (Dim i = 0; i < s_.rows; ++i)
      for (Dim j = 0; j < s_.n; ++j) out[i * s_.n + j] = static_cast<T>(work.a[j * s_.rows + i]);
    return true;
  }

  bool eigen(T* out, const T* a, const Work& work) const noexcept {
    std::copy_n(a, s_.n * s_.n, work.a);
    if (!decompose_symmetric(work.a, work.x, work.x + s_.n, s_.n)) return false;
    for (Dim j = 0; j < s_.n; ++j) out[j] = static_cast<T>(work.x[j]);
    for (Dim i = 0; i < s_.n; ++i)
      for (Dim j = 0; j < s_.n; ++j) out[(i + 1) * s_.n + j] = static_cast<T>(work.a[j * s_.n + i]);
    return true;
  }

  double determinant(const double* lu, double sign) const noexcept {
    double product = sign, logarithm = 0;
    for (Dim i = 0; i < s_.n; ++i) {
      const double pivot = lu[i * s_.n + i];
      product *= pivot;
      logarithm += std::log(std::fabs(pivot));
      sign *= pivot > 0 ? 1 : pivot < 0 ? -1 : pivot;  // 0 or nan
    }
    if (s_.kind == OpKind::det) return product;
    return s_.kind == OpKind::det_sign ? sign : logarithm;
  }

  LinalgSpec s_;
  AddScaled add_scaled_;
  Dim count_, together_;
  FirstBad bad_;
};

}  // namespace

template <class T>
CallPtr make_linalg_call(const kernels::Kernels<T>& k, LinalgSpec spec) {
  return std::make_unique<LinalgCall<T>>(k, std::move(spec));
}

template CallPtr make_linalg_call<float>(const kernels::Kernels<float>&, LinalgSpec);
template CallPtr make_linalg_call<double>(const kernels::Kernels<double>&, LinalgSpec);

}  // namespace backpass
