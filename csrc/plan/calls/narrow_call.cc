// Calls that store a value in fewer bits and bring it back.
#include <algorithm>
#include <sstream>

#include "base/aligned.h"
#include "plan/calls/calls.h"

namespace backpass {
namespace {

constexpr Dim kElementsPerTask = 16384;
static_assert(kElementsPerTask % kernels::kInt8Group == 0);

std::size_t scales_bytes(Dim elements) {
  return round_up(static_cast<std::size_t>(ceil_div(elements, Dim{kernels::kInt8Group})) * sizeof(float));
}

class CastCall : public Call {
 public:
  CastCall(const kernels::Kernels<float>& k, const NarrowSpec& spec) : k_(k), s_(spec) {
    std::ostringstream text;
    text << '(' << s_.elements << ')';
    detail = text.str();
    reads = {s_.a};
    writes = {s_.out};
    tasks = std::max<Dim>(1, ceil_div(s_.elements, kElementsPerTask));
    bytes = static_cast<double>(s_.elements) * sizeof(float) + static_cast<double>(narrow_bytes(s_.elements, s_.type));
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

 protected:
  // Where a task's part of a value begins: of floats, of narrow elements, of scales.
  static float* wide(const Context& context, int value, Dim task) noexcept {
    return reinterpret_cast<float*>(context.address[value]) + task * kElementsPerTask;
  }
  static std::uint16_t* halves(const Context& context, int value, Dim task) noexcept {
    return reinterpret_cast<std::uint16_t*>(context.address[value]) + task * kElementsPerTask;
  }
  std::int8_t* bytes_of(const Context& context, int value, Dim task) const noexcept {
    return reinterpret_cast<std::int8_t*>(context.address[value] + scales_bytes(s_.elements)) + task * kElementsPerTask;
  }
  static float* scales(const Context& context, int value, Dim task) noexcept {
    return reinterpret_cast<float*>(context.address[value]) + task * (kElementsPerTask / kernels::kInt8Group);
  }
  bool integers() const noexcept { return s_.type == ElementType::int8; }
  Dim count(Dim task) const noexcept { return std::min(kElementsPerTask, s_.elements - task * kElementsPerTask); }

  const kernels::Kernels<float>& k_;
  NarrowSpec s_;
};

class NarrowCall final : public CastCall {
 public:
  NarrowCall(const kernels::Kernels<float>& k, const NarrowSpec& spec) : CastCall(k, spec) { name = "narrow"; }
  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const float* from = wide(context, s_.a, task);
    if (integers())
      k_.narrow_int8(bytes_of(context, s_.out, task), scales(context, s_.out, task), from, count(task));
    else
      k_.narrow(halves(context, s_.out, task), from, count(task));
  }
};

class WidenCall final : public CastCall {
 public:
  WidenCall(const kernels::Kernels<float>& k, const NarrowSpec& spec) : CastCall(k, spec) { name = "widen"; }
  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    float* to = wide(context, s_.out, task);
    if (integers())
      k_.widen_int8(to, bytes_of(context, s_.a, task), scales(context, s_.a, task), count(task));
    else
      k_.widen(to, halves(context, s_.a, task), count(task));
  }
};

}  // namespace

std::size_t narrow_bytes(Dim elements, ElementType type) {
  const std::size_t narrow = static_cast<std::size_t>(elements) * size_of(type);
  return type == ElementType::int8 ? scales_bytes(elements) + narrow : narrow;
}

CallPtr make_narrow_call(const kernels::Kernels<float>& k, const NarrowSpec& spec) {
  return std::make_unique<NarrowCall>(k, spec);
}

CallPtr make_widen_call(const kernels::Kernels<float>& k, const NarrowSpec& spec) {
  return std::make_unique<WidenCall>(k, spec);
}

}  // namespace backpass
