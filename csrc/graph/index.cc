// x[...] as in NumPy, by slices, reversals and reshapes.
#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "graph/op.h"

namespace backpass {
namespace {

template <class... Parts>
[[noreturn]] void fail_range(const Parts&... parts) {
  throw std::out_of_range(message("Tensor", parts...));
}

// Goes through the axes of x; what is kept of them is the shape of the result.
class Indexed {
 public:
  explicit Indexed(const Tensor& x) : x_(x) {}

  Tensor operator()(const std::vector<Index>& indices) {
    const std::size_t rank = x_.shape().size();
    std::size_t taken = 0, filled = 0;
    for (const Index& index : indices) {
      taken += std::holds_alternative<Dim>(index) || std::holds_alternative<IndexRange>(index);
      filled += std::holds_alternative<Ellipsis>(index);
    }
    if (taken > rank) fail_range("a tensor of shape ", to_string(x_.shape()), " takes no ", taken, " indices");
    if (filled > 1) fail_range("an index has one ... at most");
    left_ = rank - taken;
    for (const Index& index : indices) std::visit([&](const auto& one) { apply(one); }, index);
    while (axis_ < rank) keep();
    return reshape(x_, kept_);
  }

 private:
  Dim size() const { return x_.shape()[axis_]; }
  void keep() { kept_.push_back(x_.shape()[axis_++]); }

  void apply(NewAxis) { kept_.push_back(1); }
  void apply(Ellipsis) {
    for (; left_ > 0; --left_) keep();
  }

  void apply(Dim index) {
    if (size() == kBatch) fail_range("the batch can only be taken whole");
    if (index < -size() || index >= size())
      fail_range("index ", index, " is out of range in axis ", axis_, " of ", to_string(x_.shape()));
    const Dim begin = index < 0 ? index + size() : index;
    x_ = slice(x_, static_cast<Dim>(axis_++), begin, begin + 1);
  }

  void apply(const IndexRange& range) {
    if (range.step == 0) fail("Tensor", "the step of a range must not be 0");
    if (size() == kBatch) {
      if (range.begin || range.end || range.step != 1) fail_range("the batch can only be taken whole");
      return keep();
    }
    const Dim n = size(), axis = static_cast<Dim>(axis_), low = range.step < 0 ? -1 : 0, high = n + low;
    const auto bound = [&](const std::optional<Dim>& given, Dim otherwise) {
      return given ? std::clamp(*given < 0 ? *given + n : *given, low, high) : otherwise;
    };
    const bool back = range.step < 0;
    const Dim begin = bound(range.begin, back ? high : 0), end = bound(range.end, back ? low : n);
    const Dim step = back ? (range.step < -n ? std::max<Dim>(n, 1) : -range.step) : range.step;
    const Dim way = back ? begin - end : end - begin, count = way > 0 ? (way - 1) / step + 1 : 0;
    if (count < n) {
      const Dim first = count == 0 ? 0 : back ? begin - (count - 1) * step : begin;
      x_ = slice(x_, axis, first, count == 0 ? 0 : first + (count - 1) * step + 1, step);
    }
    if (back && count > 1) x_ = flip(x_, std::vector<Dim>{axis});
    keep();
  }

  Tensor x_;
  Shape kept_;
  std::size_t axis_ = 0, left_ = 0;
};

}  // namespace

Tensor index(const Tensor& x, const std::vector<Index>& indices) {
  if (!x) fail("index", "got an empty tensor");
  return Indexed(x)(indices);
}

}  // namespace backpass
