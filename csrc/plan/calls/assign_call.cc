// Values that a network keeps: written when everything that reads the old ones is done.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/convert.h"
#include "plan/calls/calls.h"

namespace backpass {
namespace {

class AssignCall final : public Call {
 public:
  explicit AssignCall(AssignSpec spec) : s_(std::move(spec)) {
    name = "assign";
    phase = s_.phase;
    waits = keeps = true;
    for (const AssignSpec::Part& part : s_.parts) {
      reads.push_back(part.from);
      writes.push_back(part.to);
      bytes += 2.0 * static_cast<double>(part.bytes);
    }
    if (s_.norm >= 0) reads.push_back(s_.norm);
    detail = std::to_string(s_.parts.size()) + (s_.parts.size() == 1 ? " value" : " values");
    cost = kNanosecondsPerCall + bytes / kBytesPerNanosecond;
  }

  bool stays_finite(const Context& context, std::byte*) const noexcept override {
    return std::ranges::all_of(s_.parts, [&](const AssignSpec::Part& part) {
      const Dim count = static_cast<Dim>(part.bytes / size_of(part.dtype));
      return check_finite(context.address[part.from], element_type(part.dtype), part.dtype, count) == Finite::yes;
    });
  }

  void run(const Context& context, Dim, std::byte*) const noexcept override {
    if (s_.norm >= 0 && !std::isfinite(*reinterpret_cast<const double*>(context.address[s_.norm]))) return;
    for (const AssignSpec::Part& part : s_.parts)
      if (part.bytes > 0) std::memcpy(context.address[part.to], context.address[part.from], part.bytes);
  }

 private:
  AssignSpec s_;
};

}  // namespace

CallPtr make_assign_call(AssignSpec spec) { return std::make_unique<AssignCall>(std::move(spec)); }

}  // namespace backpass
