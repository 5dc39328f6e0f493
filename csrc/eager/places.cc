// Where the results of a run go.
#include "eager/places.h"

#include <cstring>

#include "base/turns.h"
#include "eager/callees.h"
#include "nn/network_impl.h"

namespace backpass::eager {
namespace {

using Kind = Compiled::Result::Kind;

template <class T>
void add(std::byte* sum, const Array& other) {
  T* into = reinterpret_cast<T*>(sum);
  for (const T each : other.values<T>()) *into++ += each;
}

}  // namespace

Places::Places(const Compiled& compiled, const Recording& recording) {
  for (const auto& [node, whole] : compiled.trained) {
    const Network::Impl& net = recording.nodes[node].callee()->network()->impl();
    Home& first = *net.blocks[0].home;
    direct_.push_back(whole && first.take_zero_gradients() ? &first : nullptr);
    for (const Block& block : net.blocks)
      if (!direct_.back()) block.gradients();  // cleared, where they are to be zero
  }
  for (const Compiled::Result& result : compiled.results) {
    if (result.kind == Kind::parameter && direct_[result.node]) {
      all_.push_back(result.place);
      continue;
    }
    arrays_.emplace_back(&result, unset_array(result.dtype, result.shape));
    all_.push_back(arrays_.back().second.data());
  }
}

Places::~Places() {
  if (taken_) return;
  for (Home* home : direct_)
    if (home) home->clear_gradients();
}

Results Places::take() {
  taken_ = true;
  Results results;
  for (auto& [result, array] : arrays_) {
    switch (result->kind) {
      case Kind::value:
        results.values.emplace_back(result->node, std::move(array));
        break;
      case Kind::gradient:
        results.gradients.emplace_back(result->node, std::move(array));
        break;
      case Kind::parameter:
        result->dtype == DType::float64 ? add<double>(result->place, array) : add<float>(result->place, array);
        break;
      case Kind::state:
        std::memcpy(result->place, array.data(), array.bytes());
        break;
    }
  }
  return results;
}

}  // namespace backpass::eager
