// Gradients that are looked at by a call of their own, because what makes them does not.
#include "plan/calls/calls.h"
#include "plan/calls/ordinary.h"

namespace backpass {
namespace {

constexpr Dim kWatchElements = 16384;

template <class T>
class WatchCall final : public Call {
 public:
  WatchCall(const kernels::Kernels<T>& k, const WatchSpec& spec) : k_(k) {
    name = "watch_gradient";
    phase = Phase::backward;  // the guard asks what it found
    Dim count = 0;
    for (const WatchSpec::Part& part : spec.parts) {
      const T times = static_cast<T>(std::max<Dim>(1, part.times));
      for (Dim begin = 0; begin < part.elements; begin += kWatchElements)
        pieces_.push_back({part.value, begin, std::min(kWatchElements, part.elements - begin), times});
      reads.push_back(part.value);
      count += part.elements;
    }
    tasks = static_cast<Dim>(pieces_.size());
    detail = std::to_string(count) + " elements";
    flops = 2 * static_cast<double>(count);
    bytes = static_cast<double>(count) * sizeof(T);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / (2 * kBytesPerNanosecond);
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const Piece& piece = pieces_[static_cast<std::size_t>(task)];
    const T* grad = reinterpret_cast<const T*>(context.address[piece.value]) + piece.begin;
    watch_gradient(k_, context, grad, piece.elements, piece.times);
  }

 private:
  struct Piece {
    int value;
    Dim begin, elements;
    T times;
  };

  const kernels::Kernels<T>& k_;
  std::vector<Piece> pieces_;  // by task
};

}  // namespace

template <class T>
CallPtr make_watch_call(const kernels::Kernels<T>& k, const WatchSpec& spec) {
  return std::make_unique<WatchCall<T>>(k, spec);
}

template CallPtr make_watch_call<float>(const kernels::Kernels<float>&, const WatchSpec&);
template CallPtr make_watch_call<double>(const kernels::Kernels<double>&, const WatchSpec&);

}  // namespace backpass
