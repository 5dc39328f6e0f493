// Steps of update kernels whose results lie elsewhere than what they are of.
#include "plan/calls/calls.h"

namespace backpass {
namespace {

constexpr std::size_t kMostParts = 4;      // a weight and its slots
constexpr Dim kPieceBytes = Dim{1} << 11;  // of each array: all of a piece stay in L1

template <class T>
class ApplyCall final : public Call {
 public:
  ApplyCall(const kernels::Kernels<T>& k, ApplySpec spec)
      : s_(std::move(spec)), scale_(k.elementwise[static_cast<std::size_t>(Elementwise::scale)]) {
    const auto rule = static_cast<std::size_t>(s_.step->rule);
    update_ = k.update[rule];
    name = "update";
    detail = std::to_string(s_.elements) + " parameters";
    tasks = std::max<Dim>(1, ceil_div(s_.elements, kUpdateElements));
    reads = {s_.grad, s_.numbers};
    if (s_.factor >= 0) reads.push_back(s_.factor);
    for (const ApplySpec::Part& part : s_.parts) {
      reads.push_back(part.from);
      if (part.to < 0) continue;
      writes.push_back(part.to);
      over.push_back(part.from);
    }
    scratch_bytes = static_cast<std::size_t>(kPieceBytes) * (kMostParts + 1);
    const auto count = static_cast<double>(s_.elements);
    bytes = count * static_cast<double>(1 + s_.parts.size() + writes.size()) * sizeof(T);
    flops = count * k.update_flops[rule];
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

  // In pieces where something of them stays in L1: a scaled gradient, or results that nobody asks for.
  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    const kernels::UpdateSettings settings =
        settings_of(*s_.step, *reinterpret_cast<const StepNumbers<T>*>(at(context, s_.numbers, s_.step->first)));
    const Dim begin = task * kUpdateElements, end = std::min(begin + kUpdateElements, s_.elements);
    for (Dim i = begin; i < end; i += piece_) {
      const Dim count = std::min(piece_, end - i);
      const auto part = [&](std::size_t which) -> kernels::Updated<T> {
        const auto [from, to] = s_.parts[which];
        return {to >= 0 ? at(context, to, i) : piece_of(scratch, which), at(context, from, i)};
      };
      const auto slot = [&](std::size_t which) {
        return slots_[which] > 0 ? part(slots_[which]) : kernels::Updated<T>();
      };
      update_(part(0), gradient(context, i, count, piece_of(scratch, kMostParts)), slot(0), slot(1), slot(2), settings,
              count);
    }
  }

 private:
  static constexpr Dim kPiece = kPieceBytes / static_cast<Dim>(sizeof(T));

  static T* at(const Context& context, int value, Dim element) noexcept {
    return reinterpret_cast<T*>(context.address[value]) + element;
  }
  static T* piece_of(std::byte* scratch, std::size_t which) noexcept {
    return reinterpret_cast<T*>(scratch) + static_cast<Dim>(which) * kPiece;
  }
  const T* gradient(const Context& context, Dim begin, Dim count, T* scaled) const noexcept {
    const T* grad = at(context, s_.grad, begin);
    const T factor = s_.factor >= 0 ? *at(context, s_.factor, 0) : T(1);
    if (factor == 1) return grad;
    scale_(scaled, count, grad, count, nullptr, 0, factor, 1, count);
    return scaled;
  }
  // Which part each slot of the kernel is; 0: there is none.
  static std::array<std::size_t, 3> parts_of(const UpdateStep& step) {
    std::array<std::size_t, 3> parts{};
    for (std::size_t i = 0, next = 1; i < parts.size(); ++i)
      if (step.slots[i]) parts[i] = next++;
    return parts;
  }

  bool keeps_pieces() const {
    return s_.factor >= 0 || std::ranges::any_of(s_.parts, [](const ApplySpec::Part& part) { return part.to < 0; });
  }

  ApplySpec s_;
  std::array<std::size_t, 3> slots_ = parts_of(*s_.step);
  Dim piece_ = keeps_pieces() ? kPiece : kUpdateElements;
  typename kernels::Kernels<T>::UpdateKernel update_;
  typename kernels::Kernels<T>::ElementwiseKernel scale_;
};

}  // namespace

template <class T>
CallPtr make_apply_call(const kernels::Kernels<T>& k, ApplySpec spec) {
  return std::make_unique<ApplyCall<T>>(k, std::move(spec));
}

template CallPtr make_apply_call<float>(const kernels::Kernels<float>&, ApplySpec);
template CallPtr make_apply_call<double>(const kernels::Kernels<double>&, ApplySpec);

}  // namespace backpass
