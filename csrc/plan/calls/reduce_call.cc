// Sums over a run of axes: column sums, in chunks of rows that are added in order.
#include <algorithm>
#include <sstream>

#include "base/sizes.h"
#include "plan/calls/calls.h"
#include "plan/calls/ordinary.h"

namespace backpass {
namespace {

constexpr Dim kChunkRows = 512, kChunkCols = 512;

bool walks_in_lanes(const ReduceSpec& s) { return s.lanes && s.outer == 1 && s.reduced == s.lanes.rows; }

Dim chunks(const ReduceSpec& s) {
  return walks_in_lanes(s) ? s.lanes.count : std::max<Dim>(1, ceil_div(s.reduced, kChunkRows));
}
Dim blocks(const ReduceSpec& s) { return walks_in_lanes(s) ? 1 : std::max<Dim>(1, ceil_div(s.inner, kChunkCols)); }

// Task (outer, block of columns, chunk of rows) leaves its sums in slot (outer, chunk) of the partials.
template <class T>
class ReduceCall final : public Call {
 public:
  ReduceCall(const kernels::Kernels<T>& k, const ReduceSpec& spec)
      : k_(k), s_(spec), chunks_(chunks(spec)), blocks_(blocks(spec)) {
    name = s_.outer == 1 ? "column_sum" : "sum";
    std::ostringstream text;
    if (s_.outer != 1) text << s_.outer << " x ";
    text << '(' << s_.reduced << ", " << s_.inner << ')';
    detail = text.str();
    tasks = s_.outer * chunks_ * blocks_;
    finishes = true;
    in_lanes = walks_in_lanes(s_);
    reads = by_rows = {s_.a};
    writes = {s_.out, s_.partials};
    flops = static_cast<double>(s_.outer * s_.reduced * s_.inner);
    bytes = flops * sizeof(T);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / (2 * kBytesPerNanosecond);
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const Dim chunk = task % chunks_, block = task / chunks_ % blocks_, outer = task / chunks_ / blocks_;
    const Dim row = in_lanes ? s_.lanes.begin(chunk) : chunk * kChunkRows, col = block * kChunkCols;
    const Dim end = in_lanes ? s_.lanes.begin(chunk + 1) : std::min(row + kChunkRows, s_.reduced);
    const T* a = reinterpret_cast<const T*>(context.address[s_.a]) + (outer * s_.reduced + row) * s_.inner + col;
    const auto column_sum = s_.alpha ? k_.column_sum_shifted : k_.column_sum;
    column_sum(slot(context, outer, chunk) + col, a, s_.inner, end - row,
               in_lanes ? s_.inner : std::min(kChunkCols, s_.inner - col));
  }

  void finish(const Context& context) const noexcept override {
    T* out = reinterpret_cast<T*>(context.address[s_.out]);
    for (Dim outer = 0; outer < s_.outer; ++outer) {
      double* sum = slot(context, outer, 0);
      for (Dim chunk = 1; chunk < chunks_; ++chunk) {
        const double* other = slot(context, outer, chunk);
        for (Dim j = 0; j < s_.inner; ++j) sum[j] += other[j];
      }
      for (Dim j = 0; j < s_.inner; ++j)
        out[outer * s_.inner + j] = static_cast<T>(s_.alpha ? *s_.alpha * sum[j] : sum[j]);
    }
    if (s_.watched) watch_gradient(k_, context, out, s_.outer * s_.inner);
  }

 private:
  double* slot(const Context& context, Dim outer, Dim chunk) const noexcept {
    return reinterpret_cast<double*>(context.address[s_.partials]) + (outer * chunks_ + chunk) * s_.inner;
  }

  const kernels::Kernels<T>& k_;
  ReduceSpec s_;
  Dim chunks_, blocks_;
};

}  // namespace

template <class T>
CallPtr make_reduce_call(const kernels::Kernels<T>& k, const ReduceSpec& spec) {
  return std::make_unique<ReduceCall<T>>(k, spec);
}

std::size_t reduce_partials(const ReduceSpec& spec) {
  return product_of_sizes(static_cast<std::size_t>(chunks(spec)), static_cast<std::size_t>(spec.outer * spec.inner));
}

template CallPtr make_reduce_call<float>(const kernels::Kernels<float>&, const ReduceSpec&);
template CallPtr make_reduce_call<double>(const kernels::Kernels<double>&, const ReduceSpec&);

}  // namespace backpass
