// Rows of a table by index, and sums of rows by index.
#include <algorithm>
#include <limits>
#include <sstream>

#include "base/error.h"
#include "plan/calls/calls.h"
#include "plan/calls/first_bad.h"

namespace backpass {
namespace {

constexpr Dim kTakeElements = 16384;

// What both directions share: an index that is not there is remembered, and thrown when the run is over.
class RowsCall : public Call {
 public:
  explicit RowsCall(const RowsSpec& spec) : s_(spec) {
    reads = {s_.a, s_.indices};
    writes = {s_.out};
    may_fail = true;
    std::ostringstream text;
    text << s_.count << " rows of (" << s_.rows << ", " << s_.row << ')';
    detail = text.str();
  }

  bool failed() const noexcept override { return bad_.any(); }
  std::exception_ptr take_error() override {
    const std::optional<std::int64_t> bad = bad_.take();
    if (!bad) return nullptr;
    using Limits = std::numeric_limits<std::int32_t>;  // what is beyond them was cast to them
    const char* beyond = *bad == Limits::max() ? " or more" : *bad == Limits::min() ? " or less" : "";
    return std::make_exception_ptr(
        std::invalid_argument(message(s_.who, "indices must be in [0, ", s_.rows, "), got ", *bad, beyond)));
  }

 protected:
  std::int32_t index(const Context& context, Dim i) const noexcept {
    return reinterpret_cast<const std::int32_t*>(context.address[s_.indices])[i];
  }
  bool is_row(std::int32_t at) const noexcept { return at >= 0 && at < s_.rows; }
  bool is_ignored(std::int32_t at) const noexcept { return s_.ignore && at == *s_.ignore; }
  void remember(std::int32_t bad) const noexcept { bad_.remember(bad); }
  void set_cost(double touched) {
    bytes = touched;
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

  RowsSpec s_;

 private:
  FirstBad bad_;
};

template <class T>
class TakeCall final : public RowsCall {
 public:
  explicit TakeCall(const RowsSpec& spec)
      : RowsCall(spec), rows_per_task_(std::max<Dim>(1, kTakeElements / std::max<Dim>(1, s_.row))) {
    name = "take";
    tasks = std::max<Dim>(1, ceil_div(s_.count, rows_per_task_));
    set_cost(2.0 * sizeof(T) * static_cast<double>(s_.count * s_.row));
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const T* table = reinterpret_cast<const T*>(context.address[s_.a]);
    T* out = reinterpret_cast<T*>(context.address[s_.out]);
    const Dim end = std::min(s_.count, (task + 1) * rows_per_task_);
    for (Dim i = task * rows_per_task_; i < end; ++i) {
      const std::int32_t at = index(context, i);
      if (is_ignored(at))
        std::fill_n(out + i * s_.row, s_.row, T(0));
      else if (is_row(at))
        std::copy_n(table + at * s_.row, s_.row, out + i * s_.row);
      else {
        std::fill_n(out + i * s_.row, s_.row, std::numeric_limits<T>::quiet_NaN());
        remember(at);
      }
    }
  }

 private:
  Dim rows_per_task_;
};

// A task owns some rows of the result and goes through all indices, so that each row is summed in the order of indices.
template <class T>
class ScatterAddCall final : public RowsCall {
 public:
  explicit ScatterAddCall(const RowsSpec& spec)
      : RowsCall(spec),
        rows_per_task_(std::max<Dim>({1, ceil_div(s_.rows, kMaxTasks), 4 * kTakeElements / std::max<Dim>(1, s_.row)})) {
    name = "scatter_add";
    tasks = std::max<Dim>(1, ceil_div(s_.rows, rows_per_task_));
    flops = static_cast<double>(s_.count * s_.row);
    set_cost(sizeof(T) * static_cast<double>(s_.rows * s_.row + 3 * s_.count * s_.row) +
             4.0 * static_cast<double>(tasks * s_.count));
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const T* value = reinterpret_cast<const T*>(context.address[s_.a]);
    T* out = reinterpret_cast<T*>(context.address[s_.out]);
    const Dim begin = task * rows_per_task_, end = std::min(s_.rows, begin + rows_per_task_);
    std::fill_n(out + begin * s_.row, (end - begin) * s_.row, T(0));
    for (Dim i = 0; i < s_.count; ++i) {
      const std::int32_t at = index(context, i);
      if (task == 0 && !is_row(at) && !is_ignored(at)) remember(at);
      if (at < begin || at >= end || is_ignored(at)) continue;
      T* to = out + at * s_.row;
      const T* from = value + i * s_.row;
      for (Dim j = 0; j < s_.row; ++j) to[j] += from[j];
    }
  }

 private:
  static constexpr Dim kMaxTasks = 64;  // each reads all indices
  Dim rows_per_task_;
};

}  // namespace

template <class T>
CallPtr make_take_call(const RowsSpec& spec) {
  return std::make_unique<TakeCall<T>>(spec);
}

template <class T>
CallPtr make_scatter_add_call(const RowsSpec& spec) {
  return std::make_unique<ScatterAddCall<T>>(spec);
}

template CallPtr make_take_call<float>(const RowsSpec&);
template CallPtr make_take_call<double>(const RowsSpec&);
template CallPtr make_take_call<std::int32_t>(const RowsSpec&);
template CallPtr make_scatter_add_call<float>(const RowsSpec&);
template CallPtr make_scatter_add_call<double>(const RowsSpec&);

}  // namespace backpass
