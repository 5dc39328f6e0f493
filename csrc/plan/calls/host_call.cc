// Calls of the host program's functions: the one kind of call that may throw, which it does when the run is over.
#include <cstring>

#include "base/convert.h"
#include "base/error.h"
#include "base/float_mode.h"
#include "plan/calls/calls.h"

namespace backpass {
namespace {

class HostCall final : public Call {
 public:
  explicit HostCall(HostSpec spec) : s_(std::move(spec)) {
    name = s_.function->name;
    detail = to_string(s_.shape);
    writes = {s_.out};
    for (const HostSpec::Input& input : s_.inputs) reads.push_back(input.value);
    alone = may_fail = true;
  }

  void run(const Context& context, Dim, std::byte*) const noexcept override {
    const HostFloatMode mode;
    std::byte* out = context.address[s_.out];
    const std::size_t out_bytes = static_cast<std::size_t>(element_count(s_.shape)) * size_of(s_.dtype);
    try {
      compute(context, out, out_bytes);
    } catch (...) {
      error_ = std::current_exception();
      std::memset(out, 0xff, out_bytes);  // nan; the guard keeps the parameters
    }
  }

  bool failed() const noexcept override { return error_ != nullptr; }
  std::exception_ptr take_error() override { return std::exchange(error_, nullptr); }

 private:
  void compute(const Context& context, std::byte* out, std::size_t out_bytes) const {
    std::vector<ArrayView> inputs;
    for (const HostSpec::Input& input : s_.inputs)
      inputs.emplace_back(context.address[input.value], element_type(input.dtype), input.shape);
    const Array result = s_.function->forward(inputs);
    if (result.dtype() != s_.dtype || result.shape() != s_.shape)
      fail(s_.function->name, "must give ", backpass::name(s_.dtype), ' ', to_string(s_.shape), ", got ",
           backpass::name(result.dtype()), ' ', to_string(result.shape()));
    if (out_bytes > 0) std::memcpy(out, result.data(), out_bytes);
  }

  HostSpec s_;
  mutable std::exception_ptr error_;  // written by the one thread that runs it
};

}  // namespace

CallPtr make_host_call(HostSpec spec) { return std::make_unique<HostCall>(std::move(spec)); }

}  // namespace backpass
