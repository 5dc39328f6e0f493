// Calls that store a value as bfloat16 and bring it back.
#include <algorithm>
#include <sstream>

#include "plan/calls.h"

namespace backpass {
namespace {

constexpr Dim kElementsPerTask = 16384;

class BFloat16Call : public Call {
 public:
  BFloat16Call(const kernels::Kernels<float>& k, const BFloat16Spec& spec) : k_(k), s_(spec) {
    std::ostringstream text;
    text << '(' << s_.elements << ')';
    detail = text.str();
    reads = {s_.a};
    writes = {s_.out};
    tasks = std::max<Dim>(1, ceil_div(s_.elements, kElementsPerTask));
    bytes = static_cast<double>(s_.elements) * (sizeof(float) + sizeof(std::uint16_t));
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

 protected:
  template <class T>
  T* at(const Context& context, int value, Dim task) const noexcept {
    return reinterpret_cast<T*>(context.address[value]) + task * kElementsPerTask;
  }
  Dim count(Dim task) const noexcept { return std::min(kElementsPerTask, s_.elements - task * kElementsPerTask); }

  const kernels::Kernels<float>& k_;
  BFloat16Spec s_;
};

class NarrowCall final : public BFloat16Call {
 public:
  NarrowCall(const kernels::Kernels<float>& k, const BFloat16Spec& spec) : BFloat16Call(k, spec) { name = "narrow"; }
  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    k_.narrow(at<std::uint16_t>(context, s_.out, task), at<const float>(context, s_.a, task), count(task));
  }
};

class WidenCall final : public BFloat16Call {
 public:
  WidenCall(const kernels::Kernels<float>& k, const BFloat16Spec& spec) : BFloat16Call(k, spec) { name = "widen"; }
  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    k_.widen(at<float>(context, s_.out, task), at<const std::uint16_t>(context, s_.a, task), count(task));
  }
};

}  // namespace

CallPtr make_narrow_call(const kernels::Kernels<float>& k, const BFloat16Spec& spec) {
  return std::make_unique<NarrowCall>(k, spec);
}

CallPtr make_widen_call(const kernels::Kernels<float>& k, const BFloat16Spec& spec) {
  return std::make_unique<WidenCall>(k, spec);
}

}  // namespace backpass
