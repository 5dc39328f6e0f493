// The gradient to a convolution's filters: each task leaves the sum over its strips; the sums are added in order.
#include <algorithm>
#include <sstream>

#include "plan/calls/conv_cut.h"
#include "plan/calls/ordinary.h"

namespace backpass {
namespace {

// All parts together.
constexpr Dim kPartsBytes = 2 << 20;
constexpr Dim kFilterSums = 16384;
// So much of the inner dimension is worth a pass over all sums; images are taken together until there is.
constexpr Dim kFewPixels = 256, kTogetherBytes = 256 << 10;

Dim filter_elements(const ConvSpec& s) { return s.height.kernel * s.width.kernel * s.group_channels(); }

// The tasks of the cut are parts, each with sums of its own. Where there are few, because filters are large, some tasks
// share one: each has some of the filters.
struct SumsCut : ConvCut {
  Dim filters = 0, shares = 1;  // of a group, those of a task; how many tasks that makes
};

template <class T>
SumsCut cut_sums(const kernels::Kernels<T>& k, const ConvSpec& s) {
  SumsCut cut{cut_convolution<T>(s, s.channels, s.width.out * s.filters, true)};
  const Dim bytes = std::max<Dim>(1, s.filters * filter_elements(s) * static_cast<Dim>(sizeof(T)));
  const Dim wanted = cut.tasks, panels = std::max<Dim>(1, ceil_div(s.group_filters(), k.nr));
  cut.tasks = std::min(cut.tasks, std::max<Dim>(1, kPartsBytes / bytes));
  cut.filters = ceil_div(panels, std::min(panels, ceil_div(wanted, cut.tasks))) * k.nr;
  cut.shares = std::max<Dim>(1, ceil_div(s.group_filters(), cut.filters));
  return cut;
}

// Images whose windows are copied one behind the other, where each is a strip of its own.
template <class T>
Dim images_together(const ConvCut& cut, const ConvSpec& s) {
  const Dim pixels = std::max<Dim>(1, s.height.out * s.width.out);
  const Dim bytes = std::max<Dim>(1, cut.window_elements) * static_cast<Dim>(sizeof(T));
  if (cut.strips != 1) return 1;
  return std::max<Dim>(1, std::min({ceil_div(kFewPixels, pixels), kTogetherBytes / bytes,
                                    cut.all_strips / std::max<Dim>(1, cut.tasks)}));
}

// A part lies as (groups, filter's elements, filters of a group): vectors run along filters.
template <class T>
class ConvWeightCall final : public Call {
 public:
  ConvWeightCall(const kernels::Kernels<T>& k, const ConvSpec& spec)
      : k_(k), s_(spec), cut_(cut_sums(k, spec)), together_(images_together<T>(cut_, spec)) {
    const Dim pitch = cut_.window.pitch();
    for (Dim image = 0; image < together_; ++image)
      for (Dim line = 0; line < cut_.lines; ++line)
        for (Dim done = 0; done < s_.width.out; done += k.kc)
          runs_.push_back({image * cut_.window_elements + line * s_.height.axis.stride * pitch + done * a_k(), 0,
                           std::min(k.kc, s_.width.out - done)});
    window_elements_ = ceil_div(together_ * cut_.window_elements, Dim{16}) * 16;
    scratch_bytes = static_cast<std::size_t>(window_elements_ + k.nr * k.kc) * sizeof(T);
    tasks = cut_.tasks * cut_.shares;
    name = "conv_weight";
    std::ostringstream text;
    text << s_.images << " x (" << s_.height.in << ", " << s_.width.in << ", " << s_.channels << ") to " << s_.filters
         << " x (" << s_.height.kernel << ", " << s_.width.kernel << ", " << s_.group_channels() << ")";
    detail = text.str();
    reads = {s_.a, s_.b};
    writes = {s_.out};
    flops = conv_flops(s_);
    bytes = sizeof(T) * static_cast<double>(s_.images * (s_.height.in * s_.width.in * s_.channels +
                                                         s_.height.out * s_.width.out * s_.filters));
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + flops / kFlopsPerNanosecond * (sizeof(T) / 4.0);
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    const Dim part = task / cut_.shares, share = task % cut_.shares, all = s_.filters * filter_elements(s_);
    T* sums = reinterpret_cast<T*>(context.address[s_.out]) + part * all;
    const Dim begin = cut_.first_strip(part), end = cut_.first_strip(part + 1);
    if (begin == end && share == 0) std::fill_n(sums, all, T(0));
    for (Dim i = begin; i < end; i += together_)
      for (Dim group = 0; group < s_.groups; ++group)
        add(context, i, std::min(together_, end - i), group, share * cut_.filters, i > begin, sums,
            reinterpret_cast<T*>(scratch));
  }

 private:
  Dim a_k() const { return s_.width.axis.stride * cut_.window.pixel; }

  // The windows around `count` strips from the first on.
  const T* windows(const Context& context, Dim first, Dim count, Dim group, T* scratch) const noexcept {
    const Dim size = s_.height.in * s_.width.in * s_.channels, channel = group * cut_.window.channels;
    const T* images = reinterpret_cast<const T*>(context.address[s_.a]);
    const auto one = [&](Dim i, T* to) {
      const Strip strip = cut_.strip(i, s_.height.out);
      return window_around(s_, cut_.window, images + strip.image * size, strip, channel, to);
    };
    if (count == 1) return one(first, scratch);
    for (Dim i = 0; i < count; ++i) {
      T* to = scratch + i * cut_.window_elements;
      if (const T* at = one(first + i, to); at != to) std::copy_n(at, cut_.window_elements, to);
    }
    return scratch;
  }

  void add(const Context& context, Dim first, Dim count, Dim group, Dim filter, bool more, T* sums,
           T* scratch) const noexcept {
    const WindowLayout& window = cut_.window;
    const Strip strip = cut_.strip(first, s_.height.out);
    const T* a = windows(context, first, count, group, scratch);
    const Dim pixel = (strip.image * s_.height.out + strip.begin) * s_.width.out, n = s_.group_filters();
    const T* b = reinterpret_cast<const T*>(context.address[s_.b]) + pixel * s_.filters + group * n + filter;
    const Dim lines = count * (strip.end - strip.begin);
    const Dim runs = static_cast<Dim>(runs_.size()) / (together_ * cut_.lines) * lines;
    // Taps side by side are one row after the other, unless their pixels lie apart.
    const bool dense = s_.width.axis.dilation == 1 && window.pixel == window.channels;
    const Dim taps = dense ? 1 : s_.width.kernel, rows = dense ? s_.width.kernel * window.channels : window.channels;
    T* c = sums + group * filter_elements(s_) * n + filter;
    for (Dim tap = 0; tap < taps; ++tap)
      k_.window_product({c + tap * rows * n, s_.width.kernel * window.channels * n, n,
                         a + tap * s_.width.axis.dilation * window.pixel, s_.height.axis.dilation * window.pitch(), 1,
                         a_k(), b, s_.filters, false, s_.height.kernel, rows, std::min(cut_.filters, n - filter),
                         lines * s_.width.out, runs_.data(), runs, more, scratch + window_elements_});
  }

  const kernels::Kernels<T>& k_;
  ConvSpec s_;
  SumsCut cut_;
  Dim together_;
  std::vector<kernels::Run> runs_;  // the lines of all strips that are taken together
  Dim window_elements_ = 0;
};

// out (filters, filter's elements) from parts (count, groups, filter's elements, filters of a group).
template <class T>
class AddFiltersCall final : public Call {
 public:
  AddFiltersCall(const kernels::Kernels<T>& k, const ConvSpec& spec, Dim parts)
      : k_(k), s_(spec), parts_(parts), elements_(filter_elements(spec)), n_(spec.group_filters()) {
    rows_ = std::clamp<Dim>(kFilterSums / std::max<Dim>(1, n_), 1, std::max<Dim>(1, elements_));
    blocks_ = std::max<Dim>(1, ceil_div(elements_, rows_));
    name = "add_filters";
    std::ostringstream text;
    text << parts_ << " x (" << elements_ << ", " << s_.filters << ")";
    detail = text.str();
    tasks = s_.groups * blocks_;
    reads = {s_.a};
    writes = {s_.out};
    scratch_bytes = static_cast<std::size_t>(rows_ * n_) * (sizeof(double) + sizeof(T));
    flops = static_cast<double>((parts_ - 1) * elements_ * s_.filters);
    bytes = static_cast<double>((parts_ + 1) * elements_ * s_.filters) * sizeof(T);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    const Dim group = task / blocks_, begin = task % blocks_ * rows_, rows = std::min(rows_, elements_ - begin);
    if (rows <= 0 || n_ == 0) return;
    const T* parts = reinterpret_cast<const T*>(context.address[s_.a]) + (group * elements_ + begin) * n_;
    double* sums = reinterpret_cast<double*>(scratch);
    const T* all = parts;
    if (parts_ > 1) {
      k_.column_sum(sums, parts, s_.filters * elements_, parts_, rows * n_);
      T* rounded = reinterpret_cast<T*>(scratch + static_cast<std::size_t>(rows_ * n_) * sizeof(double));
      std::transform(sums, sums + rows * n_, rounded, [](double sum) { return static_cast<T>(sum); });
      all = rounded;
    }
    T* out = reinterpret_cast<T*>(context.address[s_.out]) + group * n_ * elements_ + begin;
    k_.transpose(out, elements_, all, n_, rows, n_);
    if (!s_.watched) return;
    for (Dim filter = 0; filter < n_; ++filter) watch_gradient(k_, context, out + filter * elements_, rows);
  }

 private:
  const kernels::Kernels<T>& k_;
  ConvSpec s_;
  Dim parts_, elements_, n_;  // elements of a filter, filters of a group
  Dim rows_ = 1, blocks_ = 1;
};

}  // namespace

template <class T>
CallPtr make_conv_weight_call(const kernels::Kernels<T>& k, const ConvSpec& spec) {
  return std::make_unique<ConvWeightCall<T>>(k, spec);
}

template <class T>
Dim conv_weight_parts(const kernels::Kernels<T>& k, const ConvSpec& spec) {
  return cut_sums(k, spec).tasks;
}

template <class T>
CallPtr make_add_filters_call(const kernels::Kernels<T>& k, const ConvSpec& spec, Dim parts) {
  return std::make_unique<AddFiltersCall<T>>(k, spec, parts);
}

template CallPtr make_conv_weight_call<float>(const kernels::Kernels<float>&, const ConvSpec&);
template CallPtr make_conv_weight_call<double>(const kernels::Kernels<double>&, const ConvSpec&);
template Dim conv_weight_parts<float>(const kernels::Kernels<float>&, const ConvSpec&);
template Dim conv_weight_parts<double>(const kernels::Kernels<double>&, const ConvSpec&);
template CallPtr make_add_filters_call<float>(const kernels::Kernels<float>&, const ConvSpec&, Dim);
template CallPtr make_add_filters_call<double>(const kernels::Kernels<double>&, const ConvSpec&, Dim);

}  // namespace backpass
