// A range cut in nearly equal parts; compiled per instruction set.
#pragma once

#include "kernels/table.h"

namespace backpass::kernels {
namespace {

// `size` in parts of at most `limit` that differ by one at most: parts() of them, the first `longer` have base + 1.
struct Parts {
  Size count = 1, base, longer = 0;
  Parts(Size size, Size limit) : base(size) {
    if (size <= limit) return;  // the common case of small networks, without a division
    count = (size + limit - 1) / limit;
    base = size / count;
    longer = size % count;
  }
  Size operator[](Size i) const { return base + (i < longer); }
  Size begin(Size i) const { return i * base + (i < longer ? i : longer); }
};

}  // namespace
}  // namespace backpass::kernels
