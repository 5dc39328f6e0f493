// A range cut in nearly equal parts; compiled per instruction set.
#pragma once

#include "kernels/table.h"

namespace backpass::kernels {
namespace {

// `size` in parts of at most `limit` that differ by one at most: parts() of them, the first `longer` have base + 1.
struct Parts {
  Size count, base, longer;
  Parts(Size size, Size limit) : count((size + limit - 1) / limit), base(0), longer(0) {
    if (count > 0) base = size / count, longer = size % count;
  }
  Size operator[](Size i) const { return base + (i < longer); }
};

}  // namespace
}  // namespace backpass::kernels
