// Clipping: the gradient is measured, and scaled where it is too long.
#include <cmath>
#include <limits>
#include <sstream>

#include "plan/calls/calls.h"
#include "plan/calls/ordinary.h"

namespace backpass {
namespace {

std::string describe(double limit) {
  std::ostringstream text;
  text << "at most " << limit;
  return text.str();
}

// A sweep over the gradient, by the pieces of the update.
template <class T>
class GradientCall : public Call {
 public:
  GradientCall(const kernels::Kernels<T>& k, const ClipSpec& spec)
      : k_(k), s_(spec), pieces_(cut_segments(spec.segments)) {
    phase = Phase::update;
    tasks = static_cast<Dim>(pieces_.size());
    Dim count = 0;
    for (const Segment& piece : pieces_) count += piece.end - piece.begin;
    flops = static_cast<double>(2 * count);
    bytes = static_cast<double>(count) * sizeof(T);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

 protected:
  // Calls f(gradient, n) for what a task sweeps, stretch by stretch.
  template <class F>
  void each(const Context& context, Dim task, F f) const noexcept {
    const Segment& piece = pieces_[static_cast<std::size_t>(task)];
    each_stretch(s_.stretches, piece.begin, piece.end, [&](const Stretch& stretch, Dim begin, Dim end) {
      f(reinterpret_cast<T*>(context.address[stretch.grad]) + (begin - stretch.begin), end - begin);
    });
  }
  double* norm(const Context& context) const noexcept { return reinterpret_cast<double*>(context.address[s_.norm]); }

  const kernels::Kernels<T>& k_;
  ClipSpec s_;

 private:
  std::vector<Segment> pieces_;  // by task
};

template <class T>
class MeasureCall final : public GradientCall<T> {
 public:
  MeasureCall(const kernels::Kernels<T>& k, const ClipSpec& spec)
      : GradientCall<T>(k, spec), clamps_(std::isfinite(spec.clip_value)) {
    this->name = clamps_ ? "clip_value" : "gradient_norm";
    if (clamps_) this->detail = describe(spec.clip_value);
    this->finishes = true;
    this->writes = {spec.norm, spec.partials};
    for (const Stretch& stretch : spec.stretches) {
      this->reads.push_back(stretch.grad);
      if (clamps_) this->writes.push_back(stretch.grad);
    }
    if (spec.stretches.size() > 1) this->scratch_bytes = static_cast<std::size_t>(kUpdateElements) * sizeof(T);
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    double& partial = partials(context)[task];
    partial = std::numeric_limits<double>::quiet_NaN();
    bool finite = true;
    if (clamps_)
      this->each(context, task, [&](T* grad, Dim n) { finite = finite && all_finite<T>(this->k_, grad, n); });
    if (!finite) return;  // a limit would hide it
    if (clamps_)
      this->each(context, task, [&](T* grad, Dim n) { this->k_.clamp(grad, static_cast<T>(this->s_.clip_value), n); });
    const auto [grad, n] = as_one(context, task, reinterpret_cast<T*>(scratch));
    partial = this->k_.sum_of_squares(grad, n);
  }

  void finish(const Context& context) const noexcept override {
    double total = 0;
    for (Dim task = 0; task < this->tasks; ++task) total += partials(context)[task];
    *this->norm(context) = std::isinf(total) ? norm_of_large(context) : std::sqrt(total);
  }

 private:
  struct Piece {
    const T* grad = nullptr;
    Dim n = 0;
  };
  // What a task sweeps: copied where it lies in several places, so that sums have the bits of a gradient in one.
  Piece as_one(const Context& context, Dim task, T* scratch) const noexcept {
    Piece piece;
    this->each(context, task, [&](T* grad, Dim n) {
      if (piece.n == 0) {
        piece = {grad, n};
        return;
      }
      if (piece.grad != scratch) std::copy_n(piece.grad, piece.n, scratch);
      std::copy_n(grad, n, scratch + piece.n);
      piece = {scratch, piece.n + n};
    });
    return piece;
  }

  // Squares have overflowed: once more, in order and of smaller numbers. Few gradients are that large.
  double norm_of_large(const Context& context) const noexcept {
    constexpr double small = 0x1p-540;
    double total = 0;
    for (Dim task = 0; task < this->tasks; ++task)
      this->each(context, task, [&](const T* grad, Dim n) {
        for (Dim i = 0; i < n; ++i) total += square_of(small * static_cast<double>(grad[i]));
      });
    return std::sqrt(total) / small;
  }

  static double square_of(double x) noexcept { return x * x; }

  double* partials(const Context& context) const noexcept {
    return reinterpret_cast<double*>(context.address[this->s_.partials]);
  }

  bool clamps_;
};

constexpr double kMargin = 1e-6;  // PyTorch's: rounding takes no norm above the limit

template <class T>
class ScaleCall final : public GradientCall<T> {
 public:
  ScaleCall(const kernels::Kernels<T>& k, const ClipSpec& spec) : GradientCall<T>(k, spec) {
    this->name = "clip_norm";
    this->detail = describe(spec.clip_norm);
    this->reads = {spec.norm};
    for (const Stretch& stretch : spec.stretches) {
      this->reads.push_back(stretch.grad);
      this->writes.push_back(stretch.grad);
    }
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const double factor = this->s_.clip_norm / (*this->norm(context) + kMargin);
    if (!(factor < 1) || factor == 0) return;  // short enough, or not finite
    // A factor that is subnormal in T would be 0: it is split.
    const bool tiny = factor < static_cast<double>(std::numeric_limits<T>::min());
    if (tiny) scale(context, task, kSplit);
    scale(context, task, tiny ? factor / kSplit : factor);
  }

 private:
  static constexpr double kSplit = sizeof(T) == sizeof(float) ? 0x1p-64 : 0x1p-512;

  void scale(const Context& context, Dim task, double factor) const noexcept {
    this->each(context, task, [&](T* grad, Dim n) {
      this->k_.elementwise[static_cast<int>(Elementwise::scale)](grad, n, grad, n, nullptr, 0, static_cast<T>(factor),
                                                                 1, n);
    });
  }
};

}  // namespace

template <class T>
CallPtr make_measure_call(const kernels::Kernels<T>& k, const ClipSpec& spec) {
  return std::make_unique<MeasureCall<T>>(k, spec);
}

template <class T>
CallPtr make_scale_call(const kernels::Kernels<T>& k, const ClipSpec& spec) {
  return std::make_unique<ScaleCall<T>>(k, spec);
}

template CallPtr make_measure_call<float>(const kernels::Kernels<float>&, const ClipSpec&);
template CallPtr make_measure_call<double>(const kernels::Kernels<double>&, const ClipSpec&);
template CallPtr make_scale_call<float>(const kernels::Kernels<float>&, const ClipSpec&);
template CallPtr make_scale_call<double>(const kernels::Kernels<double>&, const ClipSpec&);

}  // namespace backpass
