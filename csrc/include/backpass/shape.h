// Shape: the dimensions of a tensor, held in place so that passing one around allocates nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <stdexcept>

namespace backpass {

using Dim = std::int64_t;
// The one symbolic dimension: the number of rows, known when a graph is compiled.
inline constexpr Dim kBatch = -1;

// A sequence of up to eight dimensions; a ninth throws std::invalid_argument.
class Shape {
 public:
  static constexpr std::size_t kMaxRank = 8;
  using value_type = Dim;
  using iterator = Dim*;
  using const_iterator = const Dim*;

  Shape() = default;
  Shape(std::initializer_list<Dim> dims) : Shape(dims.begin(), dims.end()) {}
  template <std::input_iterator It>
  Shape(It first, It last) {
    for (; first != last; ++first) push_back(*first);
  }

  std::size_t size() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  Dim* begin() { return dims_; }
  Dim* end() { return dims_ + rank_; }
  const Dim* begin() const { return dims_; }
  const Dim* end() const { return dims_ + rank_; }
  Dim& operator[](std::size_t i) { return dims_[i]; }
  Dim operator[](std::size_t i) const { return dims_[i]; }
  Dim& back() { return dims_[rank_ - 1]; }
  Dim back() const { return dims_[rank_ - 1]; }

  void push_back(Dim dim) {
    if (rank_ == kMaxRank) throw std::invalid_argument("[shape] has more than 8 dimensions");
    dims_[rank_++] = dim;
  }
  void insert(iterator position, Dim dim) {
    const std::ptrdiff_t at = position - begin();
    push_back(dim);
    std::rotate(begin() + at, end() - 1, end());
  }
  void erase(iterator first, iterator last) {
    std::copy(last, end(), first);
    rank_ -= static_cast<std::size_t>(last - first);
  }
  bool operator==(const Shape& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

 private:
  Dim dims_[kMaxRank] = {};
  std::size_t rank_ = 0;
};

}  // namespace backpass
