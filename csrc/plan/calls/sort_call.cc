// The order of elements along an axis, as indices.
#include <algorithm>
#include <sstream>

#include "plan/calls/calls.h"

namespace backpass {
namespace {

constexpr Dim kSortElements = 4096;  // per task

// Not a number is the greatest, as in NumPy; those that are equal keep their order in both directions.
template <class T>
bool comes_before(T a, T b, bool descending) noexcept {
  if (descending) std::swap(a, b);
  return a < b || (!(a != a) && b != b);
}

// A task sorts some lines, each in two buffers by turns: merges from below need no memory of their own.
template <class T>
class ArgsortCall final : public Call {
 public:
  explicit ArgsortCall(const AxisSpec& spec)
      : s_(spec), lines_(std::max<Dim>(1, kSortElements / std::max<Dim>(1, s_.reduced))) {
    name = "argsort";
    std::ostringstream text;
    text << s_.outer << " x (" << s_.reduced << ", " << s_.inner << ')';
    detail = text.str();
    tasks = std::max<Dim>(1, ceil_div(s_.outer * s_.inner, lines_));
    reads = {s_.a};
    writes = {s_.out};
    scratch_bytes = static_cast<std::size_t>(s_.reduced) * (sizeof(T) + 2 * sizeof(std::int32_t));
    const double elements = static_cast<double>(s_.outer * s_.reduced * s_.inner);
    bytes = elements * (sizeof(T) + sizeof(std::int32_t));
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + 20 * elements;
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    T* keys = reinterpret_cast<T*>(scratch);
    const Dim end = std::min(s_.outer * s_.inner, (task + 1) * lines_);
    for (Dim line = task * lines_; line < end; ++line) {
      const Dim begin = line / s_.inner * s_.reduced * s_.inner + line % s_.inner;
      const T* a = reinterpret_cast<const T*>(context.address[s_.a]) + begin;
      for (Dim i = 0; i < s_.reduced; ++i) keys[i] = a[i * s_.inner];
      const std::int32_t* order = sort(keys, reinterpret_cast<std::int32_t*>(keys + s_.reduced));
      std::int32_t* out = reinterpret_cast<std::int32_t*>(context.address[s_.out]) + begin;
      for (Dim i = 0; i < s_.reduced; ++i) out[i * s_.inner] = order[i];
    }
  }

 private:
  const std::int32_t* sort(const T* keys, std::int32_t* buffers) const noexcept {
    const Dim n = s_.reduced;
    std::int32_t *from = buffers, *to = buffers + n;
    for (Dim i = 0; i < n; ++i) from[i] = static_cast<std::int32_t>(i);
    const auto before = [&](std::int32_t i, std::int32_t j) { return comes_before(keys[i], keys[j], s_.reverse); };
    for (Dim width = 1; width < n; width *= 2) {
      for (Dim begin = 0; begin < n; begin += 2 * width) {
        const Dim middle = std::min(begin + width, n), end = std::min(begin + 2 * width, n);
        std::merge(from + begin, from + middle, from + middle, from + end, to + begin, before);
      }
      std::swap(from, to);
    }
    return from;
  }

  AxisSpec s_;
  Dim lines_;
};

}  // namespace

template <class T>
CallPtr make_argsort_call(const AxisSpec& spec) {
  return std::make_unique<ArgsortCall<T>>(spec);
}

template CallPtr make_argsort_call<float>(const AxisSpec&);
template CallPtr make_argsort_call<double>(const AxisSpec&);

}  // namespace backpass
