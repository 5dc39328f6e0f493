// When a product is computed from split operands: a cost model.
#include "kernels/split_path.h"

#include "kernels/amx_permission.h"
#include "kernels/isa.h"

namespace backpass::kernels {
namespace {

struct Split {
  MatmulPath path;
  double parts;
  double flops;  // useful ones per nanosecond, packing apart
  Size least;    // the shortest side of a block that is worth a try
};

// Measured on one core with AVX-512 and AMX by an experiment with blocks like these, not with this kernel: 1383, 584
// and 338 GFLOP/s at 128x512x512 for one, three and six products; 0.37 nanoseconds for an element that is split in
// three by plain loops; FMA has 220 at most.
constexpr double kFmaFlops = 220, kNanosecondsPerPart = 0.12;
// Below so many multiply-adds a block never repaid what splitting and tiles cost, in plans on a Xeon with AMX: blocks
// of 64 x 64 x 64 took 1.2 to 1.5 times as long as by FMA, 128 x 64 x 64 1.45, 128 x 128 x 54 1.2.
constexpr double kLeastWork = 1e6;

// Six products gain least, so that the model's faults weigh most: large blocks only.
constexpr Split split_for(Precision precision) {
  switch (precision) {
    case Precision::highest:
      return {MatmulPath::split6, 3, 338, 128};
    case Precision::high:
      return {MatmulPath::split3, 2, 584, 32};
    case Precision::medium:
      break;
  }
  return {MatmulPath::split1, 1, 1383, 32};
}

double whole(Size size, Size unit) { return static_cast<double>((size + unit - 1) / unit * unit); }

}  // namespace

std::optional<MatmulPath> cheapest_split(Precision precision, Size m, Size n, Size k) {
  const Split split = split_for(precision);
  if (m < split.least || n < split.least || k < split.least) return {};
  if (static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) < kLeastWork) return {};
  // Tiles are multiplied whole.
  const double rows = whole(m, kTile), cols = whole(n, kTile), depth = whole(k, 2 * kTile);
  const double on_tiles =
      2 * rows * cols * depth / split.flops + kNanosecondsPerPart * split.parts * (rows + cols) * depth;
  const double by_fma = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) / kFmaFlops;
  if (on_tiles >= by_fma) return {};
  return split.path;
}

template <>
std::optional<MatmulPath> choose_split_path(const Kernels<float>& kernels, Precision precision, Size m, Size n,
                                            Size k) {
  if (!kernels.tiles) return {};
  const std::optional<MatmulPath> path = cheapest_split(precision, m, n, k);
  return path && amx_permitted() ? path : std::nullopt;
}

template <>
std::optional<MatmulPath> choose_split_path(const Kernels<double>&, Precision, Size, Size, Size) {
  return {};
}

std::string why_not_split(const Kernels<float>& kernels) {
  if (!kernels.tiles) return "the instruction set in use has no AMX-BF16";
  return amx_permitted() ? "" : "the operating system does not give the registers of AMX to this process";
}

}  // namespace backpass::kernels
