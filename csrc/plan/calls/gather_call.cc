// Elements by indices along axes, and sums of elements by indices.
#include <algorithm>
#include <limits>
#include <sstream>

#include "base/error.h"
#include "plan/calls/calls.h"
#include "plan/calls/first_bad.h"

namespace backpass {
namespace {

constexpr Dim kIndexElements = 16384;  // per task

class IndexCall : public Call {
 public:
  explicit IndexCall(const IndexSpec& spec) : s_(spec) {
    reads = s_.indices;
    reads.push_back(s_.a);
    writes = {s_.out};
    may_fail = true;
    table_ = 1;
    for (const Dim n : s_.sizes) table_ *= n;
    std::ostringstream text;
    text << s_.outer << " x " << s_.count << " of (" << table_ << ", " << s_.inner << ')';
    detail = text.str();
  }

  bool failed() const noexcept override { return bad_.any(); }
  std::exception_ptr take_error() override {
    const std::optional<std::int64_t> bad = bad_.take();
    if (!bad) return nullptr;
    const Dim n = s_.sizes[static_cast<std::size_t>(*bad / kIndices)], index = *bad % kIndices + kLeast;
    return std::make_exception_ptr(
        std::invalid_argument(message(s_.who, "indices must be in [", -n, ", ", n, "), got ", index)));
  }

 protected:
  // The indices of the first axis, mostly the only one.
  const std::int32_t* first_indices(const Context& context) const noexcept {
    return reinterpret_cast<const std::int32_t*>(context.address[s_.indices[0]]);
  }

  Dim offset(Dim outer, Dim i) const noexcept { return outer * s_.outer_stride + i * s_.index_stride; }

  // Where the element lies that the indices at an offset name, as one of the table's; -1 where it is none's.
  Dim place(const Context& context, const std::int32_t* first, Dim offset) const noexcept {
    Dim at = within(0, first[offset]);
    for (std::size_t axis = 1; axis < s_.sizes.size() && at >= 0; ++axis) {
      const std::int32_t* indices = reinterpret_cast<const std::int32_t*>(context.address[s_.indices[axis]]);
      const Dim next = within(axis, indices[offset]);
      at = next < 0 ? next : at * s_.sizes[axis] + next;
    }
    return at;
  }

  void set_cost(double touched) {
    bytes = touched;
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / 4;
  }

  IndexSpec s_;
  Dim table_;  // elements of the axes that are indexed

 private:
  Dim within(std::size_t axis, std::int32_t given) const noexcept {
    const Dim n = s_.sizes[axis], index = given < 0 ? given + n : given;
    if (index >= 0 && index < n) return index;
    bad_.remember(static_cast<std::int64_t>(axis) * kIndices + (given - kLeast));
    return -1;
  }

  // A bad index and the axis that it is for, as one number.
  static constexpr std::int64_t kIndices = std::int64_t{1} << 32, kLeast = std::numeric_limits<std::int32_t>::min();

  FirstBad bad_;
};

// A task takes some (outer, i), each with its run of inner elements.
template <class T>
class GatherElementsCall final : public IndexCall {
 public:
  explicit GatherElementsCall(const IndexSpec& spec)
      : IndexCall(spec), rows_(std::max<Dim>(1, kIndexElements / std::max<Dim>(1, s_.inner))) {
    name = "gather_elements";
    tasks = std::max<Dim>(1, ceil_div(s_.outer * s_.count, rows_));
    set_cost(2.0 * sizeof(T) * static_cast<double>(s_.outer * s_.count * s_.inner));
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const T* a = reinterpret_cast<const T*>(context.address[s_.a]);
    T* out = reinterpret_cast<T*>(context.address[s_.out]);
    const Dim end = std::min(s_.outer * s_.count, (task + 1) * rows_);
    const std::int32_t* first = first_indices(context);
    Dim row = task * rows_, outer = s_.count > 0 ? row / s_.count : 0;
    for (Dim i = row - outer * s_.count; row < end; ++row, ++i) {
      if (i == s_.count) i = 0, ++outer;
      T* to = out + row * s_.inner;
      const T* from = a + outer * table_ * s_.inner;
      if (s_.inner_stride == 0 && s_.inner > 1) {
        const Dim at = place(context, first, offset(outer, i));
        at < 0 ? std::fill_n(to, s_.inner, T(0)) : std::copy_n(from + at * s_.inner, s_.inner, to);
        continue;
      }
      for (Dim j = 0; j < s_.inner; ++j) {
        const Dim at = place(context, first, offset(outer, i) + j * s_.inner_stride);
        to[j] = at < 0 ? T(0) : from[at * s_.inner + j];
      }
    }
  }

 private:
  Dim rows_;
};

// A task owns some columns (outer, inner) of the result and goes through all indices in order.
template <class T>
class GatherAddCall final : public IndexCall {
 public:
  explicit GatherAddCall(const IndexSpec& spec)
      : IndexCall(spec), cols_(std::max<Dim>({1, 64 / Dim{sizeof(T)}, kIndexElements / std::max<Dim>(1, s_.count)})) {
    name = "gather_add";
    blocks_ = std::max<Dim>(1, ceil_div(s_.inner, cols_));
    tasks = std::max<Dim>(1, s_.outer * blocks_);
    flops = static_cast<double>(s_.outer * s_.count * s_.inner);
    set_cost(sizeof(T) * static_cast<double>(s_.outer * (table_ + 3 * s_.count) * s_.inner));
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    if (s_.outer == 0) return;
    const Dim outer = task / blocks_, begin = task % blocks_ * cols_, end = std::min(s_.inner, begin + cols_);
    T* out = reinterpret_cast<T*>(context.address[s_.out]) + outer * table_ * s_.inner;
    const T* value = reinterpret_cast<const T*>(context.address[s_.a]) + outer * s_.count * s_.inner;
    for (Dim row = 0; row < table_; ++row) std::fill(out + row * s_.inner + begin, out + row * s_.inner + end, T(0));
    const std::int32_t* first = first_indices(context);
    for (Dim i = 0; i < s_.count && begin < end; ++i) {
      Dim at = place(context, first, offset(outer, i) + begin * s_.inner_stride);
      for (Dim j = begin; j < end; ++j) {
        if (s_.inner_stride != 0) at = place(context, first, offset(outer, i) + j);
        if (at >= 0) out[at * s_.inner + j] += value[i * s_.inner + j];
      }
    }
  }

 private:
  Dim cols_, blocks_;
};

}  // namespace

template <class T>
CallPtr make_gather_elements_call(const IndexSpec& spec) {
  return std::make_unique<GatherElementsCall<T>>(spec);
}

template <class T>
CallPtr make_gather_add_call(const IndexSpec& spec) {
  return std::make_unique<GatherAddCall<T>>(spec);
}

template CallPtr make_gather_elements_call<float>(const IndexSpec&);
template CallPtr make_gather_elements_call<double>(const IndexSpec&);
template CallPtr make_gather_elements_call<std::int32_t>(const IndexSpec&);
template CallPtr make_gather_add_call<float>(const IndexSpec&);
template CallPtr make_gather_add_call<double>(const IndexSpec&);

}  // namespace backpass
