#include "plan/calls/conv_cut.h"

#include <algorithm>

#include "base/sizes.h"
#include "plan/calls/matmul_cut.h"

namespace backpass {
namespace {

// What a strip reads, and what it makes: both stay in the second cache. By columns it makes nothing.
constexpr Dim kWindowBytes = 96 << 10, kResultBytes = 96 << 10, kWindowBytesByColumns = 256 << 10;

// Pixels that are so many bytes apart, or a multiple, would meet in few sets of the first cache: read by columns, they
// are kept a line farther.
constexpr Dim kAliasBytes = 256, kLineBytes = 64;

// Runs that go on where the one before ends are one, and none is longer than a pass.
void add_run(std::vector<kernels::Run>& runs, kernels::Run run, Dim a_k, Dim b_k) {
  if (!runs.empty()) {
    kernels::Run& last = runs.back();
    if (run.a == last.a + last.length * a_k && run.b == last.b + last.length * b_k) {
      last.length += run.length;
      return;
    }
  }
  runs.push_back(run);
}

std::vector<kernels::Run> cut_runs(const std::vector<kernels::Run>& runs, Dim most, Dim a_k, Dim b_k) {
  std::vector<kernels::Run> result;
  for (const kernels::Run& run : runs)
    for (Dim done = 0; done < run.length; done += most)
      result.push_back({run.a + done * a_k, run.b + done * b_k, std::min(most, run.length - done)});
  return result;
}

}  // namespace

double conv_flops(const ConvSpec& s) {
  const AxisWindows &h = s.height, &w = s.width;
  const Dim pixels = s.transposed() ? h.in * w.in : h.out * w.out;
  return 2.0 * static_cast<double>(s.images * pixels * s.filters) *
         static_cast<double>(h.kernel * w.kernel * s.group_channels());
}

template <class T>
ConvCut cut_convolution(const ConvSpec& s, Dim channels, Dim line, bool by_columns) {
  constexpr Dim bytes = sizeof(T);
  ConvCut cut;
  AxisWindows::Reach cols = s.width.out > 0 ? s.width.reach(0, s.width.out) : AxisWindows::Reach{0, 0};
  if (cols.first == 0) cols.count = std::max(cols.count, s.width.in);
  const Dim own = channels / s.groups;
  const bool aliases = by_columns && own > 0 && own * bytes % kAliasBytes == 0;
  cut.window = {cols, own, own + (aliases ? kLineBytes / bytes : 0), channels};
  if (s.height.out <= 0 || s.images <= 0 || line <= 0) return cut;
  const auto fits = [&](Dim lines) {
    const double window = static_cast<double>(s.height.reach(0, lines).count) * static_cast<double>(cut.window.pitch());
    if (by_columns) return window * bytes <= kWindowBytesByColumns;
    return window * bytes <= kWindowBytes && lines * line * bytes <= kResultBytes;
  };
  const Dim wanted = wanted_tasks(conv_flops(s));
  Dim lines = std::max<Dim>(1, ceil_div(s.height.out, ceil_div(wanted, s.images)));
  while (lines > 1 && !fits(lines)) lines = ceil_div(lines, 2);
  cut.strips = ceil_div(s.height.out, lines);
  cut.lines = ceil_div(s.height.out, cut.strips);
  cut.strips = ceil_div(s.height.out, cut.lines);
  cut.all_strips = cut.strips * s.images;
  cut.tasks = std::min(wanted, cut.all_strips);
  // A strip may begin anywhere: of a transposed one some need a line more.
  Dim most = 0;
  for (Dim begin = 0; begin < s.height.out; begin += cut.lines)
    most = std::max(most, s.height.reach(begin, std::min(begin + cut.lines, s.height.out)).count);
  cut.window_elements =
      static_cast<Dim>(product_of_sizes(static_cast<std::size_t>(most), static_cast<std::size_t>(cut.window.pitch())));
  return cut;
}

template <class T>
std::vector<ConvPart> conv_parts(const kernels::Kernels<T>& k, const ConvSpec& s, const WindowLayout& window) {
  const Dim inner = s.group_channels(), all = s.height.kernel * s.width.kernel * inner;
  const Dim n = s.transposed() ? inner : s.group_filters(), b_k = s.transposed() ? all : 1;
  const Dim length = window.channels, packed_columns = ceil_div(n, k.vector) * k.vector;
  std::vector<ConvPart> parts;
  Dim packed = 0;
  for (Dim down = 0; down < s.height.parts(); ++down)
    for (Dim across = 0; across < s.width.parts(); ++across) {
      std::vector<kernels::Run> runs;
      for (const auto& [row, row_offset] : s.height.taps(down))
        for (const auto& [col, col_offset] : s.width.taps(across)) {
          const Dim at = row_offset * window.pitch() + col_offset * window.pixel;
          add_run(runs, {at, (row * s.width.kernel + col) * inner, length}, 1, b_k);
        }
      ConvPart part{down, across, cut_runs(runs, k.kc, 1, b_k), 0, packed};
      for (const kernels::Run& run : part.runs) part.k += run.length;
      packed += part.k * packed_columns;
      parts.push_back(std::move(part));
    }
  return parts;
}

template <class T>
const T* window_around(const ConvSpec& s, const WindowLayout& window, const T* image, const Strip& strip, Dim channel,
                       T* scratch) noexcept {
  const auto [first, count] = s.height.reach(strip.begin, strip.end);
  const auto [col, cols] = window.cols;
  const Dim width = s.width.in, all = window.all_channels;
  const bool whole = window.pixel == all;
  if (whole && col == 0 && cols == width && first >= 0 && first + count <= s.height.in)
    return image + first * width * all;
  const Dim from = std::clamp<Dim>(col, 0, width), to = std::clamp<Dim>(col + cols, from, width);
  T* out = scratch;
  for (Dim row = first; row < first + count; ++row) {
    const bool inside = row >= 0 && row < s.height.in && to > from;
    const Dim left = inside ? from - col : cols, inner = inside ? to - from : 0;
    out = std::fill_n(out, left * window.pixel, T(0));
    const T* pixel = image + (row * width + from) * all + channel;
    if (whole && inside) {
      out = std::copy_n(pixel, inner * all, out);
    } else {
      for (Dim i = 0; i < inner; ++i, out += window.pixel) std::copy_n(pixel + i * all, window.channels, out);
    }
    out = std::fill_n(out, (cols - left - inner) * window.pixel, T(0));
  }
  return scratch;
}

template ConvCut cut_convolution<float>(const ConvSpec&, Dim, Dim, bool);
template ConvCut cut_convolution<double>(const ConvSpec&, Dim, Dim, bool);
template std::vector<ConvPart> conv_parts<float>(const kernels::Kernels<float>&, const ConvSpec&, const WindowLayout&);
template std::vector<ConvPart> conv_parts<double>(const kernels::Kernels<double>&, const ConvSpec&,
                                                  const WindowLayout&);
template const float* window_around<float>(const ConvSpec&, const WindowLayout&, const float*, const Strip&, Dim,
                                           float*) noexcept;
template const double* window_around<double>(const ConvSpec&, const WindowLayout&, const double*, const Strip&, Dim,
                                             double*) noexcept;

}  // namespace backpass
