// The update of tables of which a batch names a few rows: only those are read and written.
#include <algorithm>
#include <limits>

#include "plan/calls/calls.h"
#include "plan/calls/ordinary.h"

namespace backpass {
namespace {

constexpr std::int64_t kNoRow = std::numeric_limits<std::int64_t>::max();

// Sorts the indices of all lookups of a table: key = row * count + position, so that equal rows stay in their order.
class SortRowsCall final : public Call {
 public:
  explicit SortRowsCall(const RowsUpdateSpec& spec) : s_(spec) {
    name = "sort_rows";
    detail = std::to_string(s_.count) + " indices";
    phase = Phase::backward;  // it needs no guard
    for (const RowsUpdateSpec::Part& part : s_.parts) reads.push_back(part.indices);
    writes = {s_.order};
    bytes = 12.0 * static_cast<double>(s_.count);
    cost = kNanosecondsPerCall + 20 * static_cast<double>(s_.count);
  }

  void run(const Context& context, Dim, std::byte*) const noexcept override {
    std::int64_t* order = reinterpret_cast<std::int64_t*>(context.address[s_.order]);
    Dim position = 0;
    for (const RowsUpdateSpec::Part& part : s_.parts) {
      const std::int32_t* indices = reinterpret_cast<const std::int32_t*>(context.address[part.indices]);
      for (Dim i = 0; i < part.count; ++i, ++position)
        order[position] = counts(indices[i], part.ignore) ? indices[i] * s_.count + position : kNoRow;
    }
    std::sort(order, order + s_.count);
  }

 private:
  // An index outside the table has already failed in the lookup.
  bool counts(std::int32_t index, const std::optional<Dim>& ignore) const noexcept {
    return index >= 0 && index < s_.rows && !(ignore && *ignore == index);
  }

  RowsUpdateSpec s_;
};

constexpr Dim kIndicesPerTask = 64;

// A task updates the rows whose first index lies in its part of the order, with the sum of their gradients.
template <class T>
class RowsUpdateCall final : public Call {
 public:
  RowsUpdateCall(const kernels::Kernels<T>& k, const RowsUpdateSpec& spec)
      : update_(k.update[static_cast<int>(spec.rule)]), k_(k), s_(spec) {
    name = s_.name;
    detail = "rows of (" + std::to_string(s_.rows) + ", " + std::to_string(s_.row) + ") by " +
             std::to_string(s_.count) + " indices";
    phase = Phase::update;
    keeps = true;
    tasks = std::max<Dim>(1, ceil_div(s_.count, kIndicesPerTask));
    reads = {s_.weight, s_.order};
    writes = {s_.weight};
    for (const RowsUpdateSpec::Part& part : s_.parts) reads.push_back(part.grad);
    for (int slot : s_.slots)
      if (slot >= 0) {
        reads.push_back(slot);
        writes.push_back(slot);
      }
    scratch_bytes = static_cast<std::size_t>(s_.row) * sizeof(T);
    bytes = static_cast<double>(4 * s_.count * s_.row) * sizeof(T);
    cost = kNanosecondsPerCall * static_cast<double>(s_.count + tasks) + bytes / kBytesPerNanosecond;
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    each_row(context, task, scratch, [&](const T* sum, auto at) {
      const auto own = [&](int value) { return kernels::in_place(at(value)); };
      update_(own(s_.weight), sum, own(s_.slots[0]), own(s_.slots[1]), own(s_.slots[2]), context.settings[s_.settings],
              s_.row);
    });
  }

  bool stays_finite(const Context& context, std::byte* scratch) const noexcept override {
    const kernels::UpdateSettings& settings = context.settings[s_.settings];
    if (!context.extraordinary->load(std::memory_order_relaxed) && are_ordinary<T>(settings)) return true;
    constexpr double kNone = std::numeric_limits<double>::infinity();
    bool finite = true;
    for (Dim task = 0; task < tasks; ++task)
      each_row(context, task, scratch, [&](const T* sum, auto at) {
        finite = finite &&
                 update_stays_finite<T>(k_, update_, at(s_.weight), sum,
                                        {at(s_.slots[0]), at(s_.slots[1]), at(s_.slots[2])}, kNone, settings, s_.row);
      });
    return finite;
  }

 private:
  // Calls f(sum of its gradients, at) for each row of a task; at(value): where the row lies in a value.
  template <class F>
  void each_row(const Context& context, Dim task, std::byte* scratch, F f) const noexcept {
    const std::int64_t* order = reinterpret_cast<const std::int64_t*>(context.address[s_.order]);
    const Dim end = std::min(s_.count, (task + 1) * kIndicesPerTask);
    T* sum = reinterpret_cast<T*>(scratch);
    for (Dim i = task * kIndicesPerTask; i < end && order[i] != kNoRow; ++i) {
      const Dim row = order[i] / s_.count;
      if (i > 0 && order[i - 1] / s_.count == row) continue;  // of whoever has its first index
      std::fill_n(sum, s_.row, T(0));
      for (Dim j = i; j < s_.count && order[j] != kNoRow && order[j] / s_.count == row; ++j)
        add(context, order[j] % s_.count, sum);
      f(sum, [&](int value) { return address(context, value, row * s_.row); });
    }
  }

  static T* address(const Context& context, int value, Dim begin) noexcept {
    return value >= 0 ? reinterpret_cast<T*>(context.address[value]) + begin : nullptr;
  }

  void add(const Context& context, Dim position, T* sum) const noexcept {
    std::size_t part = 0;
    while (position >= s_.parts[part].count) position -= s_.parts[part++].count;
    const T* grad = address(context, s_.parts[part].grad, position * s_.row);
    k_.elementwise[static_cast<int>(Elementwise::add)](sum, s_.row, sum, s_.row, grad, s_.row, T(0), 1, s_.row);
  }

  typename kernels::Kernels<T>::UpdateKernel update_;
  const kernels::Kernels<T>& k_;
  RowsUpdateSpec s_;
};

}  // namespace

CallPtr make_sort_rows_call(const RowsUpdateSpec& spec) { return std::make_unique<SortRowsCall>(spec); }

template <class T>
CallPtr make_rows_update_call(const kernels::Kernels<T>& k, const RowsUpdateSpec& spec) {
  return std::make_unique<RowsUpdateCall<T>>(k, spec);
}

template CallPtr make_rows_update_call<float>(const kernels::Kernels<float>&, const RowsUpdateSpec&);
template CallPtr make_rows_update_call<double>(const kernels::Kernels<double>&, const RowsUpdateSpec&);

}  // namespace backpass
