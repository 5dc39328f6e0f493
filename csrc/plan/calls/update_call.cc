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
      : k_(k), update_(k.update[static_cast<int>(spec.rule)]), s_(spec) {
    for (const Segment& segment : cut_segments(s_.segments))
      each_stretch(s_.stretches, segment.begin, segment.end, [&](const Stretch& stretch, Dim begin, Dim end) {
        pieces_.push_back({stretch.weight, stretch.grad, begin - stretch.begin, begin, end - begin, segment.settings});
      });
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
    const Piece& piece = pieces_[static_cast<std::size_t>(task)];
    const auto [slot0, slot1, slot2] = states(context, piece);
    using kernels::in_place;
    update_(in_place(weight(context, piece)), gradient(context, piece), in_place(slot0), in_place(slot1),
            in_place(slot2), context.settings[piece.settings], piece.count);
  }

  bool stays_finite(const Context& context, std::byte*) const noexcept override {
    if (step_is_ordinary(context)) return true;
    const double limit = s_.limit.value_or(std::numeric_limits<double>::infinity());
    return std::ranges::all_of(pieces_, [&](const Piece& piece) {
      const auto [slot0, slot1, slot2] = states(context, piece);
      return update_stays_finite<T>(k_, update_, weight(context, piece), gradient(context, piece),
                                    {slot0, slot1, slot2}, limit, context.settings[piece.settings], piece.count);
    });
  }

 private:
  // What a task updates: within one stretch, where it begins in it and in the state.
  struct Piece {
    int weight, grad;
    Dim within, begin, count;
    int settings;
  };

  bool step_is_ordinary(const Context& context) const noexcept {
    return has_ordinary_gradient(context) && std::ranges::all_of(s_.segments, [&](const Segment& segment) {
             return are_ordinary<T>(context.settings[segment.settings]);
           });
  }

  bool has_ordinary_gradient(const Context& context) const noexcept {
    if (s_.limit) return *s_.limit <= static_cast<double>(kOrdinaryGradient<T>);
    if (!s_.looks) return !context.extraordinary->load(std::memory_order_relaxed);
    return std::ranges::all_of(
        pieces_, [&](const Piece& piece) { return is_ordinary<T>(k_, gradient(context, piece), piece.count); });
  }

  static T* weight(const Context& context, const Piece& piece) noexcept {
    return address(context, piece.weight, piece.within);
  }
  static const T* gradient(const Context& context, const Piece& piece) noexcept {
    return address(context, piece.grad, piece.within);
  }
  std::array<T*, 3> states(const Context& context, const Piece& piece) const noexcept {
    return {address(context, s_.slots[0], piece.begin), address(context, s_.slots[1], piece.begin),
            address(context, s_.slots[2], piece.begin)};
  }
  // Null where the rule keeps no such state.
  static T* address(const Context& context, int value, Dim begin) noexcept {
    return value >= 0 ? reinterpret_cast<T*>(context.address[value]) + begin : nullptr;
  }

  const kernels::Kernels<T>& k_;
  typename kernels::Kernels<T>::UpdateKernel update_;
  UpdateSpec s_;
  std::vector<Piece> pieces_;  // by task
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
