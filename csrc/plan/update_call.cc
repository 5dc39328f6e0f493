// The update phase: one sweep over the flat parameters.
#include <algorithm>
#include <sstream>

#include "plan/calls.h"

namespace backpass {
namespace {

constexpr Dim kUpdateElements = 16384;  // per task: 256 KiB of four float32 streams, within L2

template <class T>
class UpdateCall final : public Call {
 public:
  UpdateCall(const kernels::Kernels<T>& k, const UpdateSpec& spec) : k_(k), s_(spec) {
    name = s_.rule == UpdateRule::sgd ? "sgd" : "adam";
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
    flops = count * (s_.rule == UpdateRule::sgd ? 2 : 12);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const Dim begin = task * kUpdateElements, n = std::min(kUpdateElements, s_.count - begin);
    T* weight = at(context, s_.weight) + begin;
    const T* grad = at(context, s_.grad) + begin;
    T* first = s_.slots[0] >= 0 ? at(context, s_.slots[0]) + begin : nullptr;
    if (s_.rule == UpdateRule::sgd) {
      k_.sgd(weight, grad, first, *static_cast<const kernels::SGDSettings*>(context.settings), n);
    } else {
      k_.adam(weight, grad, first, at(context, s_.slots[1]) + begin,
              *static_cast<const kernels::AdamSettings*>(context.settings), n);
    }
  }

 private:
  static T* at(const Context& context, int value) noexcept { return reinterpret_cast<T*>(context.address[value]); }

  const kernels::Kernels<T>& k_;
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
