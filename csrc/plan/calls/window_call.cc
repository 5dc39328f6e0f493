// Pooling: of each image some channels after the others, line by line.
#include <algorithm>
#include <limits>
#include <sstream>

#include "plan/calls/calls.h"
#include "plan/calls/matmul_cut.h"

namespace backpass {
namespace {

constexpr Dim kChannelBlock = 64;  // channels of a task, where images alone are too few

// Windows of a line whose k-th element there is: `count` of them from `out` on, and their elements, `step` apart.
struct Stretched {
  Dim out, in, count, step;
};

// By k.
std::vector<std::vector<Stretched>> stretched(const PoolAxis& axis) {
  std::vector<std::vector<Stretched>> result(static_cast<std::size_t>(axis.most()));
  for (Dim k = 0; k < axis.most(); ++k) {
    std::vector<Stretched>& own = result[static_cast<std::size_t>(k)];
    for (Dim i = 0; i < axis.out; ++i) {
      const Dim at = axis.at(i, k);
      if (at < 0) continue;
      Stretched* last = own.empty() ? nullptr : &own.back();
      const Dim step = last ? at - (last->in + (last->count - 1) * last->step) : 0;
      const bool goes_on = last && i == last->out + last->count && step > 0 && (last->count == 1 || step == last->step);
      if (goes_on)
        *last = {last->out, last->in, last->count + 1, step};
      else
        own.push_back({i, at, 1, 1});
    }
  }
  return result;
}

template <class T>
class WindowCall final : public Call {
 public:
  WindowCall(const kernels::Kernels<T>& k, const WindowSpec& spec)
      : k_(k), s_(spec), across_(stretched(spec.width)), heights_(spec.height.most()) {
    const Dim most = heights_ * s_.width.most(), wanted = wanted_tasks(static_cast<double>(most * windows()) * 16);
    blocks_ = s_.images >= wanted ? 1 : std::max<Dim>(1, s_.channels / kChannelBlock);
    together_ = std::max<Dim>(1, s_.images * blocks_ / std::max<Dim>(1, wanted));
    tasks = std::max<Dim>(1, ceil_div(s_.images * blocks_, together_));
    const bool picks = s_.kind == OpKind::window_put || (s_.kind == OpKind::window_take && s_.a != s_.chosen);
    if (picks) scratch_bytes = 2 * static_cast<std::size_t>(s_.width.out * s_.channels) * sizeof(T);
    name = backpass::name(s_.kind);
    if (s_.kind == OpKind::window_take && !picks) name = "window_max";
    std::ostringstream text;
    text << s_.images << " x (" << s_.height.in << ", " << s_.width.in << ", " << s_.channels << ") in ("
         << s_.height.out << ", " << s_.width.out << ")";
    detail = text.str();
    reads = {s_.a};
    if (s_.chosen >= 0 && s_.chosen != s_.a) reads.push_back(s_.chosen);
    writes = {s_.out};
    flops = static_cast<double>(most * windows());
    bytes = sizeof(T) * static_cast<double>(windows() + s_.images * s_.height.in * s_.width.in * s_.channels);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + flops * sizeof(T) / (4 * kBytesPerNanosecond);
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    const Dim end = std::min((task + 1) * together_, s_.images * blocks_);
    for (Dim i = task * together_; i < end; ++i) {
      const Dim image = i / blocks_, block = i % blocks_, first = s_.channels * block / blocks_;
      const Dim channels = s_.channels * (block + 1) / blocks_ - first;
      const Dim pixels = image * s_.height.in * s_.width.in * s_.channels + first;
      const Dim results = image * s_.height.out * s_.width.out * s_.channels + first;
      if (channels > 0) pool(context, pixels, results, channels, reinterpret_cast<T*>(scratch));
    }
  }

 private:
  Dim windows() const { return s_.images * s_.height.out * s_.width.out * s_.channels; }
  Dim line(Dim width) const { return width * s_.channels; }

  // f(number, window, pixel, count, step) for what there is of one line of windows.
  template <class F>
  void each(Dim i, F f) const noexcept {
    Dim number = 0;
    for (Dim k = 0; k < heights_; ++k) {
      const Dim row = s_.height.at(i, k);
      for (const std::vector<Stretched>& runs : across_) {
        if (row >= 0)
          for (const Stretched& run : runs)
            f(static_cast<T>(number), run.out * s_.channels, (row * s_.width.in + run.in) * s_.channels, run.count,
              run.step * s_.channels);
        ++number;
      }
    }
  }

  void pool(const Context& context, Dim pixels, Dim results, Dim channels, T* scratch) const noexcept {
    const T* a = reinterpret_cast<const T*>(context.address[s_.a]);
    T* out = reinterpret_cast<T*>(context.address[s_.out]);
    const T* chosen = s_.chosen >= 0 ? reinterpret_cast<const T*>(context.address[s_.chosen]) + pixels : nullptr;
    const bool to_images = s_.kind == OpKind::window_spread || s_.kind == OpKind::window_put;
    if (to_images) k_.fill(out + pixels, s_.channels, T(0), s_.height.in * s_.width.in, channels);
    for (Dim i = 0; i < s_.height.out; ++i) {
      const Dim at = results + i * line(s_.width.out);
      if (s_.kind == OpKind::window_sum)
        gather(out + at, a + pixels, i, channels, Elementwise::add, T(0));
      else if (s_.kind == OpKind::window_spread)
        spread(out + pixels, a + at, i, channels);
      else if (s_.kind == OpKind::window_put)
        put(out + pixels, a + at, chosen, i, channels, scratch);
      else if (s_.a == s_.chosen)
        gather(out + at, a + pixels, i, channels, Elementwise::maximum, -std::numeric_limits<T>::infinity());
      else
        take(out + at, a + pixels, chosen, i, channels, scratch);
    }
  }

  void gather(T* out, const T* x, Dim i, Dim channels, Elementwise fn, T start) const noexcept {
    const Dim c = s_.channels;
    k_.fill(out, c, start, s_.width.out, channels);
    const auto kernel = k_.elementwise[static_cast<std::size_t>(fn)];
    each(i, [&](T, Dim window, Dim pixel, Dim count, Dim step) {
      kernel(out + window, c, out + window, c, x + pixel, step, T(0), count, channels);
    });
  }

  void spread(T* out, const T* grad, Dim i, Dim channels) const noexcept {
    const auto add = k_.elementwise[static_cast<std::size_t>(Elementwise::add)];
    each(i, [&](T, Dim window, Dim pixel, Dim count, Dim step) {
      add(out + pixel, step, out + pixel, step, grad + window, s_.channels, T(0), count, channels);
    });
  }

  // Which element of each window of a line is the greatest, by number; lines lie as in a result.
  const T* pick(const T* chosen, Dim i, Dim channels, T* scratch) const noexcept {
    const Dim c = s_.channels;
    T *best = scratch, *picked = scratch + line(s_.width.out);
    k_.fill(best, c, -std::numeric_limits<T>::infinity(), s_.width.out, channels);
    k_.fill(picked, c, T(-1), s_.width.out, channels);
    each(i, [&](T number, Dim window, Dim pixel, Dim count, Dim step) {
      k_.pick_greatest(best + window, picked + window, c, chosen + pixel, step, number, count, channels);
    });
    return picked;
  }

  void take(T* out, const T* x, const T* chosen, Dim i, Dim channels, T* scratch) const noexcept {
    const Dim c = s_.channels;
    const T* picked = pick(chosen, i, channels, scratch);
    k_.fill(out, c, T(0), s_.width.out, channels);
    each(i, [&](T number, Dim window, Dim pixel, Dim count, Dim step) {
      k_.take_picked(out + window, picked + window, c, x + pixel, step, number, count, channels);
    });
  }

  void put(T* out, const T* grad, const T* chosen, Dim i, Dim channels, T* scratch) const noexcept {
    const T* picked = pick(chosen, i, channels, scratch);
    each(i, [&](T number, Dim window, Dim pixel, Dim count, Dim step) {
      k_.add_picked(out + pixel, step, picked + window, grad + window, s_.channels, number, count, channels);
    });
  }

  const kernels::Kernels<T>& k_;
  WindowSpec s_;
  std::vector<std::vector<Stretched>> across_;
  Dim heights_;
  Dim blocks_ = 1, together_ = 1;  // of channels; of both, in a task
};

}  // namespace

template <class T>
CallPtr make_window_call(const kernels::Kernels<T>& k, const WindowSpec& spec) {
  return std::make_unique<WindowCall<T>>(k, spec);
}

template CallPtr make_window_call<float>(const kernels::Kernels<float>&, const WindowSpec&);
template CallPtr make_window_call<double>(const kernels::Kernels<double>&, const WindowSpec&);

}  // namespace backpass
