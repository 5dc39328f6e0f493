// y_t = x_t + a_t y_{t-1} along an axis, in double.
#include <algorithm>
#include <sstream>

#include "plan/calls/calls.h"

namespace backpass {
namespace {

constexpr Dim kRecurrenceCols = 64;  // that go side by side

// A task takes a block of columns of one (outer), from one end to the other.
template <class T>
class RecurrenceCall final : public Call {
 public:
  explicit RecurrenceCall(const AxisSpec& spec)
      : s_(spec), blocks_(std::max<Dim>(1, ceil_div(spec.inner, kRecurrenceCols))) {
    name = s_.factor >= 0 ? "recurrence" : "cumsum";
    std::ostringstream text;
    text << s_.outer << " x (" << s_.reduced << ", " << s_.inner << ')';
    detail = text.str();
    const Dim elements = s_.reduced * std::min(s_.inner, kRecurrenceCols);
    pieces_ = std::max<Dim>(1, kPieceElements / std::max<Dim>(1, elements));
    tasks = std::max<Dim>(1, ceil_div(s_.outer * blocks_, pieces_));
    reads = {s_.a};
    if (s_.factor >= 0) reads.push_back(s_.factor);
    writes = {s_.out};
    flops = static_cast<double>(s_.outer * s_.reduced * s_.inner);
    bytes = 2.0 * sizeof(T) * flops;
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + (s_.inner == 1 ? 2 : 0.5) * flops;
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const auto at = [&](int value) { return reinterpret_cast<T*>(context.address[value]); };
    for (Dim piece = task * pieces_; piece < std::min(s_.outer * blocks_, (task + 1) * pieces_); ++piece) {
      const Dim col = piece % blocks_ * kRecurrenceCols;
      const Dim begin = piece / blocks_ * s_.reduced * s_.inner + col;
      walk(at(s_.out) + begin, at(s_.a) + begin, s_.factor >= 0 ? at(s_.factor) + begin : nullptr,
           std::min(kRecurrenceCols, s_.inner - col));
    }
  }

 private:
  static constexpr Dim kPieceElements = 4096;  // per task, where lines are short

  void walk(T* out, const T* x, const T* factor, Dim cols) const noexcept {
    double y[kRecurrenceCols] = {};
    for (Dim t = 0; t < s_.reduced; ++t) {
      const Dim row = (s_.reverse ? s_.reduced - 1 - t : t) * s_.inner;
      if (factor != nullptr && t > 0)
        for (Dim j = 0; j < cols; ++j) y[j] *= static_cast<double>(factor[row + j]);
      for (Dim j = 0; j < cols; ++j) y[j] += static_cast<double>(x[row + j]);
      for (Dim j = 0; j < cols; ++j) out[row + j] = static_cast<T>(y[j]);
    }
  }

  AxisSpec s_;
  Dim blocks_, pieces_ = 1;
};

}  // namespace

template <class T>
CallPtr make_recurrence_call(const AxisSpec& spec) {
  return std::make_unique<RecurrenceCall<T>>(spec);
}

template CallPtr make_recurrence_call<float>(const AxisSpec&);
template CallPtr make_recurrence_call<double>(const AxisSpec&);

}  // namespace backpass
