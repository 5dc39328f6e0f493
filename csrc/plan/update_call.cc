// The update phase: one sweep over the flat parameters.
#include <algorithm>
#include <iterator>

#include "plan/calls.h"

namespace backpass {
namespace {

constexpr Dim kUpdateElements = 16384;  // per task: 256 KiB of four float32 streams, within L2

struct Kind {
  const char* name;
  double flops;  // per parameter
};
constexpr Kind kKinds[] = {{"sgd", 2}, {"adam", 12}, {"rmsprop", 9}};  // by UpdateRule
static_assert(std::size(kKinds) == kernels::kUpdateRules);

template <class T>
class UpdateCall final : public Call {
 public:
  UpdateCall(const kernels::Kernels<T>& k, const UpdateSpec& spec)
      : update_(k.update[static_cast<int>(spec.rule)]), s_(spec) {
    const Kind& kind = kKinds[static_cast<int>(s_.rule)];
    name = kind.name;
    phase = Phase::update;
    detail = std::to_string(s_.count) + " parameters";
    tasks = std::max<Dim>(1, ceil_div(s_.count, kUpdateElements));
    reads = {s_.weight, s_.grad};
    writes = {s_.weight};
    int streams = 3;
    for (int slot : s_.slots)
      if (slot >= 0) {
        reads.push_back(slot);
        writes.push_back(slot);
        streams += 2;
      }
    const double count = static_cast<double>(s_.count);
    bytes = count * streams * sizeof(T);
    flops = count * kind.flops;
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const Dim begin = task * kUpdateElements, n = std::min(kUpdateElements, s_.count - begin);
    update_(at(context, s_.weight, begin), at(context, s_.grad, begin), at(context, s_.slots[0], begin),
            at(context, s_.slots[1], begin), *context.settings, n);
  }

 private:
  // Null where the rule keeps no such state.
  static T* at(const Context& context, int value, Dim begin) noexcept {
    return value >= 0 ? reinterpret_cast<T*>(context.address[value]) + begin : nullptr;
  }

  typename kernels::Kernels<T>::UpdateKernel update_;
  UpdateSpec s_;
};

}  // namespace

template <class T>
CallPtr make_update_call(const kernels::Kernels<T>& k, const UpdateSpec& spec) {
  return std::make_unique<UpdateCall<T>>(k, spec);
}

template CallPtr make_update_call<float>(const kernels::Kernels<float>&, const UpdateSpec&);
template CallPtr make_update_call<double>(const kernels::Kernels<double>&, const UpdateSpec&);

}  // namespace backpass
