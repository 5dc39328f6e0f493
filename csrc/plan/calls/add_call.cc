// What lanes leave apart, added up in their order.
#include <algorithm>
#include <sstream>

#include "plan/calls/calls.h"
#include "plan/calls/ordinary.h"

namespace backpass {
namespace {

constexpr Dim kSumElements = 4096;

template <class T>
class AddCall final : public Call {
 public:
  AddCall(const kernels::Kernels<T>& k, const AddSpec& spec) : k_(k), s_(spec) {
    name = "add_lanes";
    std::ostringstream text;
    text << s_.count << " x " << s_.elements;
    detail = text.str();
    tasks = std::max<Dim>(1, ceil_div(s_.elements, kSumElements));
    reads = {s_.parts};
    writes = {s_.out};
    scratch_bytes = static_cast<std::size_t>(kSumElements) * sizeof(double);
    flops = static_cast<double>((s_.count - 1) * s_.elements);
    bytes = static_cast<double>((s_.count + 1) * s_.elements) * sizeof(T);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    const Dim begin = task * kSumElements, n = std::min(kSumElements, s_.elements - begin);
    const T* parts = reinterpret_cast<const T*>(context.address[s_.parts]) + begin;
    double* sums = reinterpret_cast<double*>(scratch);
    k_.column_sum(sums, parts, s_.elements, s_.count, n);
    std::transform(sums, sums + n, reinterpret_cast<T*>(context.address[s_.out]) + begin,
                   [](double sum) { return static_cast<T>(sum); });
    if (s_.watched) watch_gradient(k_, context, reinterpret_cast<const T*>(context.address[s_.out]) + begin, n);
  }

 private:
  const kernels::Kernels<T>& k_;
  AddSpec s_;
};

}  // namespace

template <class T>
CallPtr make_add_call(const kernels::Kernels<T>& k, const AddSpec& spec) {
  return std::make_unique<AddCall<T>>(k, spec);
}

template CallPtr make_add_call<float>(const kernels::Kernels<float>&, const AddSpec&);
template CallPtr make_add_call<double>(const kernels::Kernels<double>&, const AddSpec&);

}  // namespace backpass
