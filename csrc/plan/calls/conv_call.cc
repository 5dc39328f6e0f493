// Convolution and its transpose: a strip of an image after the other, each with its epilogue.
#include <algorithm>
#include <sstream>

#include "plan/calls/conv_cut.h"
#include "plan/calls/ordinary.h"
#include "plan/calls/register_epilogue.h"

namespace backpass {
namespace {

template <class T>
ConvCut cut_images(const ConvSpec& s) {
  const Dim in = s.transposed() ? s.filters : s.channels, out = s.transposed() ? s.channels : s.filters;
  return cut_convolution<T>(s, in, s.width.out * out, false);
}

template <class T>
std::size_t bytes_for(Dim elements) {
  return (static_cast<std::size_t>(elements) * sizeof(T) + 63) / 64 * 64;
}

// Of one group.
template <class T>
Dim packed_group(const kernels::Kernels<T>& k, const ConvSpec& s, const std::vector<ConvPart>& parts) {
  const Dim n = s.transposed() ? s.group_channels() : s.group_filters();
  return parts.empty() ? 0 : parts.back().packed + parts.back().k * ceil_div(n, k.vector) * k.vector;
}

void describe_images(std::ostringstream& text, const ConvSpec& s) {
  const AxisWindows &h = s.height, &w = s.width;
  text << s.images << " x (" << h.in << ", " << w.in << ", " << (s.transposed() ? s.filters : s.channels) << ") with "
       << s.filters << " x (" << h.kernel << ", " << w.kernel << ", " << s.group_channels() << ")";
}

template <class T>
class ConvCall final : public Call {
 public:
  ConvCall(const kernels::Kernels<T>& k, ConvSpec spec)
      : k_(k),
        s_(std::move(spec)),
        out_(s_.transposed() ? s_.channels : s_.filters),
        group_out_(out_ / s_.groups),
        cut_(cut_images<T>(s_)),
        parts_(conv_parts(k, s_, cut_.window)),
        packed_group_(packed_group(k, s_, parts_)) {
    window_bytes_ = bytes_for<T>(cut_.window_elements);
    scratch_bytes = window_bytes_ + static_cast<std::size_t>(s_.epilogue.all_registers()) *
                                        bytes_for<T>(static_cast<Dim>(s_.epilogue.register_elements()));
    tasks = cut_.tasks;
    finishes = !s_.epilogue.sums.empty();
    name = s_.transposed() ? "conv_transpose" : "conv";
    std::ostringstream text;
    describe_images(text, s_);
    if (const std::string epilogue = s_.epilogue.describe(); !epilogue.empty()) text << "; " << epilogue;
    detail = text.str();
    const Dim results = s_.images * s_.height.out * s_.width.out * out_;
    flops = conv_flops(s_);
    bytes =
        sizeof(T) * static_cast<double>(results + s_.images * s_.height.in * s_.width.in * cut_.window.all_channels);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + flops / kFlopsPerNanosecond * (sizeof(T) / 4.0) +
           static_cast<double>(results) * static_cast<double>(s_.epilogue.instructions.size()) * 0.2;
    in_registers_ = take_register_epilogue(s_.epilogue, s_.out, s_.images * s_.height.out * s_.width.out);
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    double* partials = nullptr;
    if (finishes) {
      partials = reinterpret_cast<double*>(context.address[s_.epilogue.sums[0].partials]) +
                 static_cast<std::size_t>(task) * s_.epilogue.sums.size();
      std::fill_n(partials, s_.epilogue.sums.size(), 0.0);
    }
    for (Dim i = cut_.first_strip(task); i < cut_.first_strip(task + 1); ++i) {
      const Strip strip = cut_.strip(i, s_.height.out);
      for (Dim group = 0; group < s_.groups; ++group) convolve(context, strip, group, scratch);
      end_strip(context, strip, scratch, partials);
    }
  }

  void finish(const Context& context) const noexcept override { finish_sums<T>(s_.epilogue, context, tasks); }

 private:
  Dim row(const Strip& strip) const { return (strip.image * s_.height.out + strip.begin) * s_.width.out; }

  void convolve(const Context& context, const Strip& strip, Dim group, std::byte* scratch) const noexcept {
    const WindowLayout& window = cut_.window;
    const T* image = reinterpret_cast<const T*>(context.address[s_.a]) +
                     strip.image * s_.height.in * s_.width.in * window.all_channels;
    const T* a = window_around(s_, window, image, strip, group * window.channels, reinterpret_cast<T*>(scratch));
    const T* b = reinterpret_cast<const T*>(context.address[s_.b]) + group * packed_group_;
    for (const ConvPart& part : parts_) {
      const auto [lines, line, from] = s_.height.line(part.down, strip.begin, strip.end);
      const auto [rows, first, across] = s_.width.line(part.across, 0, s_.width.out);
      const Dim at = ((strip.image * s_.height.out + line) * s_.width.out + first) * out_ + group * group_out_;
      // Where the window's columns begin before the first that is needed, they are its own.
      const Dim skipped = s_.width.reach(0, s_.width.out).first - window.cols.first;
      k_.window_product({reinterpret_cast<T*>(context.address[s_.out]) + at, s_.height.out_step() * s_.width.out * out_,
                         s_.width.out_step() * out_, a + from * window.pitch() + (across + skipped) * window.pixel,
                         s_.height.in_step() * window.pitch(), s_.width.in_step() * window.pixel, 1, b + part.packed, 0,
                         true, lines, rows, group_out_, part.k, part.runs.data(),
                         static_cast<kernels::Size>(part.runs.size()), false, nullptr,
                         epilogue(context, at, group * group_out_)});
    }
  }

  kernels::RegisterEpilogue<T> epilogue(const Context& context, Dim at, Dim col) const noexcept {
    kernels::RegisterEpilogue<T> result{.relu = in_registers_.relu};
    if (in_registers_.bias >= 0) result.bias = reinterpret_cast<const T*>(context.address[in_registers_.bias]) + col;
    if (in_registers_.relu_out >= 0)
      result.relu_out = reinterpret_cast<const T*>(context.address[in_registers_.relu_out]) + at;
    return result;
  }

  // While the strip is in the cache.
  void end_strip(const Context& context, const Strip& strip, std::byte* scratch, double* partials) const noexcept {
    const Tile tile{row(strip), (strip.end - strip.begin) * s_.width.out, 0, out_};
    if (!s_.epilogue.instructions.empty())
      run_program(k_, s_.epilogue, context, tile, reinterpret_cast<T*>(scratch + window_bytes_), partials);
    if (s_.watched)
      watch_gradient(k_, context, reinterpret_cast<const T*>(context.address[s_.out]) + tile.row * out_,
                     tile.rows * out_);
  }

  const kernels::Kernels<T>& k_;
  ConvSpec s_;
  Dim out_, group_out_;  // channels of the result
  ConvCut cut_;
  std::vector<ConvPart> parts_;
  Dim packed_group_;
  std::size_t window_bytes_ = 0;
  RegisterEpilogue in_registers_;
};

// A task is a panel of a part of a group.
template <class T>
class PackFiltersCall final : public Call {
 public:
  PackFiltersCall(const kernels::Kernels<T>& k, int out, const ConvSpec& spec)
      : k_(k),
        s_(spec),
        value_(out),
        n_(s_.transposed() ? s_.group_channels() : s_.group_filters()),
        parts_(conv_parts(k, s_, cut_images<T>(s_).window)),
        packed_group_(packed_group(k, s_, parts_)),
        panels_(std::max<Dim>(1, ceil_div(n_, k.nr))) {
    tasks = std::max<Dim>(1, s_.groups * static_cast<Dim>(parts_.size()) * panels_);
    name = "pack_filters";
    std::ostringstream text;
    text << s_.filters << " x (" << s_.height.kernel << ", " << s_.width.kernel << ", " << s_.group_channels() << ")";
    detail = text.str();
    reads = {s_.b};
    writes = {value_};
    bytes = 2.0 * sizeof(T) * static_cast<double>(s_.groups * packed_group_);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    if (n_ == 0) return;
    const Dim col = task % panels_ * k_.nr, count = static_cast<Dim>(parts_.size());
    const ConvPart& part = parts_[static_cast<std::size_t>(task / panels_ % count)];
    const Dim group = task / panels_ / count, filter = s_.height.kernel * s_.width.kernel * s_.group_channels();
    const Dim b_k = s_.transposed() ? filter : 1, b_col = s_.transposed() ? 1 : filter;
    const T* b = reinterpret_cast<const T*>(context.address[s_.b]) + group * s_.group_filters() * filter + col * b_col;
    T* out = reinterpret_cast<T*>(context.address[value_]) + group * packed_group_ + part.packed + col * part.k;
    k_.pack_runs(out, b, b_k, b_col, std::min<Dim>(k_.nr, n_ - col), part.runs.data(),
                 static_cast<kernels::Size>(part.runs.size()));
  }

 private:
  const kernels::Kernels<T>& k_;
  ConvSpec s_;
  int value_;
  Dim n_;  // columns of a group
  std::vector<ConvPart> parts_;
  Dim packed_group_, panels_;
};

}  // namespace

template <class T>
CallPtr make_conv_call(const kernels::Kernels<T>& k, ConvSpec spec) {
  return std::make_unique<ConvCall<T>>(k, std::move(spec));
}

template <class T>
Dim conv_tasks(const kernels::Kernels<T>&, const ConvSpec& spec) {
  return cut_images<T>(spec).tasks;
}

template <class T>
CallPtr make_pack_filters_call(const kernels::Kernels<T>& k, int out, const ConvSpec& spec) {
  return std::make_unique<PackFiltersCall<T>>(k, out, spec);
}

template <class T>
Dim packed_filters(const kernels::Kernels<T>& k, const ConvSpec& spec) {
  return spec.groups * packed_group(k, spec, conv_parts(k, spec, cut_images<T>(spec).window));
}

template CallPtr make_conv_call<float>(const kernels::Kernels<float>&, ConvSpec);
template CallPtr make_conv_call<double>(const kernels::Kernels<double>&, ConvSpec);
template Dim conv_tasks<float>(const kernels::Kernels<float>&, const ConvSpec&);
template Dim conv_tasks<double>(const kernels::Kernels<double>&, const ConvSpec&);
template CallPtr make_pack_filters_call<float>(const kernels::Kernels<float>&, int, const ConvSpec&);
template CallPtr make_pack_filters_call<double>(const kernels::Kernels<double>&, int, const ConvSpec&);
template Dim packed_filters<float>(const kernels::Kernels<float>&, const ConvSpec&);
template Dim packed_filters<double>(const kernels::Kernels<double>&, const ConvSpec&);

}  // namespace backpass
