// The cut of a product: blocks, and the path of each; from measured constants.
#include "plan/calls/matmul_cut.h"

#include <algorithm>
#include <optional>

#include "kernels/isa.h"
#include "kernels/split_path.h"

namespace backpass {
namespace {

// A task: one below the first (two microseconds at the FMA peak of one core) costs too much to hand out; beyond kTasks
// of them, to cut finer than the second costs more in copies than it gains in balance.
constexpr double kSmallTaskFlops = 160e3, kTaskFlops = 2.5e6;
constexpr double kTasks = 8, kMostTasks = 32;
// Every lane reads, and may copy, the whole of a weight, and leaves a gradient of its size: one that stays in the
// cache.
constexpr Dim kLaneBytes = 64 << 10;
// Of a product whose A is packed by a call of its own; there has to be enough to gain for one stage more.
constexpr Dim kPackedRows = 64, kPackedPanels = 8;
constexpr double kPackedFlops = 6e6;

Dim round_to(Dim value, Dim unit) { return ceil_div(value, unit) * unit; }

// One side of C in `blocks` blocks of nearly the same size, a multiple of the register tile.
struct Side {
  Dim length, unit, size = 0, blocks = 1;

  void cut(Dim wanted) {
    size = std::max(unit, round_to(ceil_div(length, std::max<Dim>(1, wanted)), unit));
    blocks = std::max<Dim>(1, ceil_div(length, size));
  }
  Dim tiles() const { return size / unit; }
};

double flops_of(const MatmulSpec& s) {
  return 2.0 * static_cast<double>(s.products()) * static_cast<double>(s.m * s.n) * static_cast<double>(s.k);
}

// Both operands are copied, by every block that needs them: blocks nearly square.
template <class T>
BlockCut cut_square(const kernels::Kernels<T>& k, Side down, Side across, Dim tasks) {
  down.cut(ceil_div(down.length, k.block_rows));
  across.cut(ceil_div(across.length, k.block_cols));
  while (down.blocks * across.blocks < tasks) {
    Side& longer = across.tiles() >= down.tiles() ? across : down;
    if (longer.tiles() < 2) break;
    longer.cut(2 * longer.blocks);
  }
  return {down.size, across.size, down.blocks, across.blocks};
}

// B is copied by every block that needs it: rather many rows.
template <class T>
BlockCut cut_tall(const kernels::Kernels<T>& k, Side down, Side across, Dim tasks) {
  down.cut(std::max(ceil_div(down.length, k.block_rows), std::min(tasks, down.length / k.few_rows)));
  across.cut(std::max(ceil_div(across.length, k.block_cols), ceil_div(tasks, down.blocks)));
  if (down.blocks * across.blocks < tasks) down.cut(ceil_div(tasks, across.blocks));
  return {down.size, across.size, down.blocks, across.blocks};
}

// A is there as blocks read it, B is copied by every block that needs it: few blocks of rows.
template <class T>
BlockCut cut_wide(const kernels::Kernels<T>& k, Side down, Side across, Dim tasks) {
  down.cut(ceil_div(down.length, k.block_rows));
  across.cut(std::max(ceil_div(across.length, k.block_cols), ceil_div(tasks, down.blocks)));
  return {down.size, across.size, down.blocks, across.blocks};
}

template <class T>
auto cut_for(kernels::MatmulPath path) {
  if (path == kernels::MatmulPath::pack_ab) return &cut_square<T>;
  return path == kernels::MatmulPath::packed_a ? &cut_wide<T> : &cut_tall<T>;
}

// A product of x and gradients, both by rows: the gradient of a weight.
bool sums_over_rows(const MatmulSpec& s) { return s.a_row == 1 && s.b_col == 1; }

template <class T>
bool stays_near(Dim elements) {
  return elements * static_cast<Dim>(sizeof(T)) <= kLaneBytes;
}

std::optional<BlockCut> cut_in_lanes(const MatmulSpec& s, LaneCut lane_cut) {
  switch (lane_cut) {
    case LaneCut::none:
      break;
    case LaneCut::rows:
      return BlockCut{s.lanes.most_rows(), s.n, s.lanes.count, 1};
    case LaneCut::sums:
      return BlockCut{s.m, s.n, s.lanes.count, 1};
  }
  return {};
}

}  // namespace

Dim wanted_tasks(double flops) {
  const double fine = std::min(kTasks, flops / kSmallTaskFlops), coarse = std::min(kMostTasks, flops / kTaskFlops);
  return std::max<Dim>(1, static_cast<Dim>(std::max(fine, coarse)));
}

template <class T>
Dim matmul_depth(const MatmulSpec& s, LaneCut lane_cut) {
  const bool rounds = sizeof(T) < sizeof(double);
  if (rounds && sums_over_rows(s) && s.k > kManyRows && stays_near<T>(s.m * s.n)) return kShortChunk;
  return lane_cut == LaneCut::sums ? s.lanes.most_rows() : std::min(s.k, kChunk);
}

namespace {

// Of one product. Paths of split operands, which are both copied, where they pay.
template <class T>
BlockCut cut_product(const kernels::Kernels<T>& k, const MatmulSpec& s, Dim tasks) {
  const LaneCut lane_cut = backpass::lane_cut(k, s);
  const Dim depth = matmul_depth<T>(s, lane_cut);
  const std::optional<BlockCut> in_lanes = cut_in_lanes(s, lane_cut);
  BlockCut cut = in_lanes ? *in_lanes : cut_square(k, {s.m, kernels::kTile}, {s.n, kernels::kTile}, tasks);
  const Dim rows = std::min(cut.rows, s.m), cols = std::min(cut.cols, s.n);
  if (const auto path = kernels::choose_split_path(k, s.precision, rows, cols, depth)) {
    cut.path = *path;
    return cut;
  }
  const auto path = s.packed_a ? kernels::MatmulPath::packed_a
                               : kernels::choose_matmul_path(k, s.m, s.n, depth, s.a_row, s.a_k, s.b_k, s.b_col);
  const bool dot = path == kernels::MatmulPath::dot;
  // Every block copies the whole length of its columns of B: no more blocks than balance asks for.
  if (path == kernels::MatmulPath::pack_b && s.k > kChunk) tasks = std::min(tasks, static_cast<Dim>(kTasks));
  if (!in_lanes) cut = cut_for<T>(path)(k, {s.m, dot ? k.dot_rows : k.mr}, {s.n, dot ? k.dot_cols : k.nr}, tasks);
  cut.path = path;
  return cut;
}

}  // namespace

template <class T>
BlockCut cut_blocks(const kernels::Kernels<T>& k, const MatmulSpec& s) {
  const Dim tasks = wanted_tasks(flops_of(s)), products = std::max<Dim>(1, s.products());
  // Many enough are not cut: each would be copied by every block.
  const bool whole = products >= static_cast<Dim>(kTasks);
  BlockCut cut = cut_product(k, s, whole ? 1 : ceil_div(tasks, products));
  if (cut.down * cut.across > 1) return cut;
  cut.products = ceil_div(products, tasks);
  // Their operands come from far: a copy of A is read in order, and pays if several panels of B use it.
  if (products > 1 && cut.path == kernels::MatmulPath::pack_b && s.k > k.kc / 4 && s.n > 4 * k.nr)
    cut.path = kernels::MatmulPath::pack_ab;
  return cut;
}

template <class T>
LaneCut lane_cut(const kernels::Kernels<T>& k, const MatmulSpec& s) {
  // And of at most half the elements that a lane's rows have before and behind it.
  const auto fits = [&](Dim in, Dim out) {
    return stays_near<T>(in * out) && 2 * in * out <= s.lanes.most_rows() * (in + out);
  };
  if (!s.lanes || !s.repeated.empty()) return LaneCut::none;
  if (s.m == s.lanes.rows && s.a_k == 1 && s.k <= kChunk && s.n <= k.block_cols && fits(s.k, s.n)) return LaneCut::rows;
  const bool over_rows = s.k == s.lanes.rows && sums_over_rows(s);
  return over_rows && s.epilogue.instructions.empty() && fits(s.m, s.n) ? LaneCut::sums : LaneCut::none;
}

template <class T>
bool pays_to_pack_a(const kernels::Kernels<T>& k, const MatmulSpec& s) {
  if (lane_cut(k, s) != LaneCut::none || !s.repeated.empty() || s.k > kChunk || s.m < kPackedRows ||
      s.n < kPackedPanels * k.nr)
    return false;
  const double flops = 2.0 * static_cast<double>(s.m * s.n) * static_cast<double>(s.k);
  const kernels::MatmulPath path = cut_blocks(k, s).path;
  return flops >= kPackedFlops && (path == kernels::MatmulPath::pack_b || path == kernels::MatmulPath::pack_ab);
}

template <class T>
Dim matmul_tasks(const kernels::Kernels<T>& k, const MatmulSpec& spec) {
  return cut_blocks(k, spec).tasks(spec);
}

template Dim matmul_depth<float>(const MatmulSpec&, LaneCut);
template Dim matmul_depth<double>(const MatmulSpec&, LaneCut);
template BlockCut cut_blocks<float>(const kernels::Kernels<float>&, const MatmulSpec&);
template BlockCut cut_blocks<double>(const kernels::Kernels<double>&, const MatmulSpec&);
template LaneCut lane_cut<float>(const kernels::Kernels<float>&, const MatmulSpec&);
template LaneCut lane_cut<double>(const kernels::Kernels<double>&, const MatmulSpec&);
template bool pays_to_pack_a<float>(const kernels::Kernels<float>&, const MatmulSpec&);
template bool pays_to_pack_a<double>(const kernels::Kernels<double>&, const MatmulSpec&);
template Dim matmul_tasks<float>(const kernels::Kernels<float>&, const MatmulSpec&);
template Dim matmul_tasks<double>(const kernels::Kernels<double>&, const MatmulSpec&);

}  // namespace backpass
