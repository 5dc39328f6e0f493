// Many operations on matrices in a row: where the operands of each begin.
#pragma once

#include <vector>

#include "backpass/types.h"

namespace backpass {

// A leading dimension of many operations: results lie one after the other, a and b begin so much further on for the
// next. A step of 0 repeats an operand.
struct Repeated {
  Dim count = 1, a = 0, b = 0;
  bool operator==(const Repeated&) const = default;
};

// From one to the next; there is at least one.
class Walk {
 public:
  Walk(const std::vector<Repeated>& repeated, Dim index) : repeated_(repeated), index_(index) { find(); }
  Dim index() const { return index_; }
  Dim a() const { return a_; }
  Dim b() const { return b_; }

  void next() {
    ++index_;
    if (repeated_.empty()) return;
    if (++inner_ == repeated_.back().count) return find();
    a_ += repeated_.back().a;
    b_ += repeated_.back().b;
  }

 private:
  void find() {
    a_ = b_ = inner_ = 0;
    Dim left = index_;
    for (auto dim = repeated_.rbegin(); dim != repeated_.rend(); ++dim) {
      const Dim at = left % dim->count;
      if (dim == repeated_.rbegin()) inner_ = at;
      a_ += at * dim->a;
      b_ += at * dim->b;
      left /= dim->count;
    }
  }

  const std::vector<Repeated>& repeated_;
  Dim index_, a_ = 0, b_ = 0, inner_ = 0;
};

}  // namespace backpass
