// The update phase: one sweep over the flat parameters.
#include <algorithm>
#include <cmath>

#include "plan/calls/calls.h"
#include "plan/calls/ordinary.h"

namespace backpass {
namespace {

template <class T>
class UpdateCall final : public Call {
 public:
  UpdateCall(const kernels::Kernels<T>& k, const UpdateSpec& spec)
      : k_(k), update_(k.update[static_cast<int>(spec.rule)]), s_(spec), pieces_(cut_segments(spec.segments)) {
    name = s_.name;
    phase = Phase::update;
    keeps = true;
    tasks = static_cast<Dim>(pieces_.size());
    Dim count = 0;
    for (const Segment& segment : s_.segments) count += segment.end - segment.begin;
    detail = std::to_string(count) + " parameters";
    if (s_.segments.size() > 1) detail += " in " + std::to_string(s_.segments.size()) + " segments";
    for (const Stretch& stretch : s_.stretches) {
      reads.push_back(stretch.weight);
      reads.push_back(stretch.grad);
      writes.push_back(stretch.weight);
    }
    if (s_.norm >= 0) reads.push_back(s_.norm);
    int streams = 3;
    for (int slot : s_.slots)
      if (slot >= 0) {
        reads.push_back(slot);
        writes.push_back(slot);
        streams += 2;
      }
    bytes = static_cast<double>(count) * streams * sizeof(T);
    flops = static_cast<double>(count) * k_.update_flops[static_cast<int>(s_.rule)];
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    if (s_.norm >= 0 && !std::isfinite(*reinterpret_cast<const double*>(context.address[s_.norm]))) return;
    const Segment& piece = pieces_[static_cast<std::size_t>(task)];
    each_stretch(s_.stretches, piece.begin, piece.end, [&](const Stretch& stretch, Dim begin, Dim end) {
      const auto at = [&](int value) { return address(context, value, begin); };
      const Dim within = begin - stretch.begin;
      update_(address(context, stretch.weight, within), address(context, stretch.grad, within), at(s_.slots[0]),
              at(s_.slots[1]), at(s_.slots[2]), context.settings[piece.settings], end - begin);
    });
  }

  bool stays_finite(const Context& context, std::byte*) const noexcept override {
    if (step_is_ordinary(context)) return true;
    constexpr double kNone = std::numeric_limits<double>::infinity();
    return all_stretches([&](const Segment& segment, const Stretch& stretch, Dim begin, Dim end) {
      const auto at = [&](int value) -> const T* { return address(context, value, begin); };
      const Dim within = begin - stretch.begin;
      return update_stays_finite<T>(k_, update_, address(context, stretch.weight, within),
                                    address(context, stretch.grad, within),
                                    {at(s_.slots[0]), at(s_.slots[1]), at(s_.slots[2])}, s_.limit.value_or(kNone),
                                    context.settings[segment.settings], end - begin);
    });
  }

 private:
  // Whether f(segment, stretch, begin, end) holds for what of each segment lies in each stretch.
  template <class F>
  bool all_stretches(F f) const noexcept {
    bool all = true;
    for (const Segment& segment : s_.segments)
      each_stretch(s_.stretches, segment.begin, segment.end,
                   [&](const Stretch& stretch, Dim begin, Dim end) { all = all && f(segment, stretch, begin, end); });
    return all;
  }

  bool step_is_ordinary(const Context& context) const noexcept {
    return has_ordinary_gradient(context) && std::ranges::all_of(s_.segments, [&](const Segment& segment) {
             return are_ordinary<T>(context.settings[segment.settings]);
           });
  }

  bool has_ordinary_gradient(const Context& context) const noexcept {
    if (s_.limit) return *s_.limit <= static_cast<double>(kOrdinaryGradient<T>);
    if (!s_.looks) return !context.extraordinary->load(std::memory_order_relaxed);
    return all_stretches([&](const Segment&, const Stretch& stretch, Dim begin, Dim end) {
      return is_ordinary<T>(k_, address(context, stretch.grad, begin - stretch.begin), end - begin);
    });
  }

  // Null where the rule keeps no such state.
  static T* address(const Context& context, int value, Dim begin) noexcept {
    return value >= 0 ? reinterpret_cast<T*>(context.address[value]) + begin : nullptr;
  }

  const kernels::Kernels<T>& k_;
  typename kernels::Kernels<T>::UpdateKernel update_;
  UpdateSpec s_;
  std::vector<Segment> pieces_;  // by task
};

}  // namespace

std::vector<Segment> cut_segments(const std::vector<Segment>& segments) {
  std::vector<Segment> pieces;
  for (const Segment& segment : segments)
    for (Dim begin = segment.begin; begin < segment.end; begin += kUpdateElements)
      pieces.push_back({begin, std::min(begin + kUpdateElements, segment.end), segment.settings});
  return pieces;
}

template <class T>
CallPtr make_update_call(const kernels::Kernels<T>& k, const UpdateSpec& spec) {
  return std::make_unique<UpdateCall<T>>(k, spec);
}

template CallPtr make_update_call<float>(const kernels::Kernels<float>&, const UpdateSpec&);
template CallPtr make_update_call<double>(const kernels::Kernels<double>&, const UpdateSpec&);

}  // namespace backpass
