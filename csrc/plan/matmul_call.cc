// Matmul: cut into blocks of C by shape, each with its epilogue.
#include <algorithm>
#include <optional>
#include <sstream>

#include "kernels/isa.h"
#include "kernels/split_path.h"
#include "plan/calls.h"
#include "plan/register_epilogue.h"

namespace backpass {
namespace {

// At most this many rows of A, kc deep, stay in L2 while panel after panel of B meets them; and columns of C, with the
// rest, until the epilogue has run.
constexpr Dim kBlockRows = 240, kBlockCols = 512;
// Fewer rows do not pay for a copy of B of their own.
constexpr Dim kFewRows = 120;
// A task: one below the first (two microseconds at the FMA peak of one core) costs too much to hand out; beyond kTasks
// of them, to cut finer than the second costs more in copies than it gains in balance.
constexpr double kSmallTaskFlops = 160e3, kTaskFlops = 2.5e6;
constexpr double kTasks = 8, kMostTasks = 32;
// Every lane reads, and may copy, the whole of a weight, and leaves a gradient of its size: one that stays in the
// cache.
constexpr Dim kLaneBytes = 64 << 10;
// A longer inner dimension is summed in chunks that are added in double: the error does not grow with the rows of a
// batch.
constexpr Dim kChunk = 4096;

struct Cut {
  Dim rows, cols;  // of a block
  Dim down, across;
  kernels::MatmulPath path = kernels::MatmulPath::dot;
};

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

Dim wanted_tasks(const MatmulSpec& s) {
  const double flops = 2.0 * static_cast<double>(s.m * s.n) * static_cast<double>(s.k);
  const double fine = std::min(kTasks, flops / kSmallTaskFlops), coarse = std::min(kMostTasks, flops / kTaskFlops);
  return std::max<Dim>(1, static_cast<Dim>(std::max(fine, coarse)));
}

// Both operands are copied, by every block that needs them: blocks nearly square.
Cut cut_square(Side down, Side across, Dim tasks) {
  down.cut(ceil_div(down.length, kBlockRows));
  across.cut(ceil_div(across.length, kBlockCols));
  while (down.blocks * across.blocks < tasks) {
    Side& longer = across.tiles() >= down.tiles() ? across : down;
    if (longer.tiles() < 2) break;
    longer.cut(2 * longer.blocks);
  }
  return {down.size, across.size, down.blocks, across.blocks};
}

// B is copied by every block that needs it: rather many rows.
Cut cut_tall(Side down, Side across, Dim tasks) {
  down.cut(std::max(ceil_div(down.length, kBlockRows), std::min(tasks, down.length / kFewRows)));
  across.cut(std::max(ceil_div(across.length, kBlockCols), ceil_div(tasks, down.blocks)));
  if (down.blocks * across.blocks < tasks) down.cut(ceil_div(tasks, across.blocks));
  return {down.size, across.size, down.blocks, across.blocks};
}

std::optional<Cut> cut_in_lanes(const MatmulSpec& s, LaneCut lane_cut) {
  switch (lane_cut) {
    case LaneCut::none:
      break;
    case LaneCut::rows:
      return Cut{s.lanes.most_rows(), s.n, s.lanes.count, 1};
    case LaneCut::sums:
      return Cut{s.m, s.n, s.lanes.count, 1};
  }
  return {};
}

// How many of the inner dimension one call of the kernel sums.
Dim depth_of(const MatmulSpec& s, LaneCut lane_cut) {
  return lane_cut == LaneCut::sums ? s.lanes.most_rows() : std::min(s.k, kChunk);
}

// Paths of split operands, which are both copied, where they pay.
template <class T>
Cut cut_blocks(const kernels::Kernels<T>& k, const MatmulSpec& s) {
  const LaneCut lane_cut = backpass::lane_cut<T>(s);
  const Dim tasks = wanted_tasks(s), depth = depth_of(s, lane_cut);
  const std::optional<Cut> in_lanes = cut_in_lanes(s, lane_cut);
  Cut cut = in_lanes ? *in_lanes : cut_square({s.m, kernels::kTile}, {s.n, kernels::kTile}, tasks);
  const Dim rows = std::min(cut.rows, s.m), cols = std::min(cut.cols, s.n);
  if (const auto path = kernels::choose_split_path(k, s.precision, rows, cols, depth)) {
    cut.path = *path;
    return cut;
  }
  const auto path = kernels::choose_matmul_path(k, s.m, s.n, depth, s.a_row, s.a_k, s.b_k, s.b_col);
  if (!in_lanes) cut = (path == kernels::MatmulPath::pack_ab ? cut_square : cut_tall)({s.m, k.mr}, {s.n, k.nr}, tasks);
  cut.path = path;
  return cut;
}

template <class T>
class MatmulCall final : public Call {
 public:
  MatmulCall(const kernels::Kernels<T>& k, MatmulSpec spec)
      : k_(k), s_(std::move(spec)), lane_cut_(lane_cut<T>(s_)), cut_(cut_blocks(k, s_)) {
    const Dim rows = std::min(cut_.rows, s_.m), cols = std::min(cut_.cols, s_.n);
    pack_bytes_ = round_bytes(kernels::matmul_scratch(k, cut_.path, rows, cols, depth_of(s_, lane_cut_)));
    const std::size_t sums_bytes =
        s_.k > kChunk ? round_bytes(rows * cols) + static_cast<std::size_t>(rows * cols) * sizeof(double) : 0;
    scratch_bytes = pack_bytes_ + std::max(sums_bytes, static_cast<std::size_t>(s_.epilogue.registers) *
                                                           round_bytes(block_register()));
    tasks = cut_.down * cut_.across;
    in_lanes = lane_cut_ != LaneCut::none;
    finishes = !s_.epilogue.sums.empty();
    describe();
    if (s_.k <= kChunk) in_registers_ = take_register_epilogue(s_.epilogue, s_.c);
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    if (lane_cut_ == LaneCut::sums) return sum_lane(context, task, scratch);
    const Tile tile = in_lanes ? s_.lanes.tile(task, s_.n) : block(task);
    double* partials = nullptr;
    if (finishes) {
      partials = reinterpret_cast<double*>(context.address[s_.epilogue.sums[0].partials]) +
                 static_cast<std::size_t>(task) * s_.epilogue.sums.size();
      std::fill_n(partials, s_.epilogue.sums.size(), 0.0);
    }
    if (tile.rows <= 0 || tile.cols <= 0) return;
    T* c = reinterpret_cast<T*>(context.address[s_.c]) + tile.row * s_.n + tile.col;
    if (s_.k <= kChunk)
      multiply(context, c, s_.n, tile, 0, s_.k, scratch);
    else
      multiply_in_chunks(context, c, tile, scratch);
    if (!s_.epilogue.instructions.empty())
      run_program(k_, s_.epilogue, context, tile, reinterpret_cast<T*>(scratch + pack_bytes_), partials);
  }

  void finish(const Context& context) const noexcept override { finish_sums<T>(s_.epilogue, context, tasks); }

 private:
  Tile block(Dim task) const noexcept {
    const Dim row = task / cut_.across * cut_.rows, col = task % cut_.across * cut_.cols;
    return {row, std::min(cut_.rows, s_.m - row), col, std::min(cut_.cols, s_.n - col)};
  }

  void sum_lane(const Context& context, Dim lane, std::byte* scratch) const noexcept {
    T* c = reinterpret_cast<T*>(context.address[s_.c]) + lane * s_.m * s_.n;
    multiply(context, c, s_.n, {0, s_.m, 0, s_.n}, s_.lanes.begin(lane), s_.lanes.rows_of(lane), scratch);
  }

  // c (t.rows, t.cols) = the product over inner indices [first, first + k).
  void multiply(const Context& context, T* c, kernels::Size ldc, const Tile& t, Dim first, Dim k,
                std::byte* scratch) const noexcept {
    const T* a = reinterpret_cast<const T*>(context.address[s_.a]) + t.row * s_.a_row + first * s_.a_k;
    const T* b = reinterpret_cast<const T*>(context.address[s_.b]) + t.col * s_.b_col + first * s_.b_k;
    k_.matmul({c, ldc, a, s_.a_row, s_.a_k, b, s_.b_k, s_.b_col, t.rows, t.cols, k, cut_.path,
               reinterpret_cast<T*>(scratch), epilogue(context, t)});
  }

  kernels::RegisterEpilogue<T> epilogue(const Context& context, const Tile& t) const noexcept {
    kernels::RegisterEpilogue<T> result{.relu = in_registers_.relu, .ld_relu_out = s_.n};
    if (in_registers_.bias >= 0) result.bias = reinterpret_cast<const T*>(context.address[in_registers_.bias]) + t.col;
    if (in_registers_.relu_out >= 0)
      result.relu_out = reinterpret_cast<const T*>(context.address[in_registers_.relu_out]) + t.row * s_.n + t.col;
    return result;
  }

  void multiply_in_chunks(const Context& context, T* c, const Tile& t, std::byte* scratch) const noexcept {
    const Dim elements = t.rows * t.cols;
    T* part = reinterpret_cast<T*>(scratch + pack_bytes_);
    double* sums = reinterpret_cast<double*>(scratch + pack_bytes_ + round_bytes(elements));
    std::fill_n(sums, elements, 0.0);
    for (Dim first = 0; first < s_.k; first += kChunk) {
      multiply(context, part, t.cols, t, first, std::min(kChunk, s_.k - first), scratch);
      for (Dim i = 0; i < elements; ++i) sums[i] += part[i];
    }
    for (Dim row = 0; row < t.rows; ++row)
      for (Dim col = 0; col < t.cols; ++col) c[row * s_.n + col] = static_cast<T>(sums[row * t.cols + col]);
  }

  static std::size_t round_bytes(kernels::Size elements) {
    return (static_cast<std::size_t>(elements) * sizeof(T) + 63) / 64 * 64;
  }
  kernels::Size block_register() const { return static_cast<kernels::Size>(s_.epilogue.register_elements()); }

  void describe() {
    static constexpr const char* kPaths[] = {"dot", "in place", "pack b", "pack a b", "amx x1", "amx x3", "amx x6"};
    name = "matmul";
    std::ostringstream text;
    const bool transpose_a = s_.a_k != 1, transpose_b = s_.b_k == 1 && s_.b_col != 1;
    text << '(' << s_.m << ", " << s_.k << (transpose_a ? ")T" : ")") << " x (" << s_.k << ", " << s_.n
         << (transpose_b ? ")T" : ")");
    const std::string epilogue = s_.epilogue.describe();
    if (!epilogue.empty()) text << "; " << epilogue;
    text << "; " << kPaths[static_cast<int>(cut_.path)];
    detail = text.str();
    const double m = static_cast<double>(s_.m), n = static_cast<double>(s_.n), k = static_cast<double>(s_.k);
    flops = 2 * m * n * k;
    bytes = sizeof(T) * (m * k + k * n + m * n);
    const double epilogue_cost = m * n * static_cast<double>(s_.epilogue.instructions.size()) * 0.2;
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + flops / kFlopsPerNanosecond * (sizeof(T) / 4.0) +
           epilogue_cost;
  }

  const kernels::Kernels<T>& k_;
  MatmulSpec s_;
  LaneCut lane_cut_;
  Cut cut_;
  std::size_t pack_bytes_;
  RegisterEpilogue in_registers_;
};

}  // namespace

template <class T>
CallPtr make_matmul_call(const kernels::Kernels<T>& k, MatmulSpec spec) {
  return std::make_unique<MatmulCall<T>>(k, std::move(spec));
}

template <class T>
LaneCut lane_cut(const MatmulSpec& s) {
  // And of at most half the elements that a lane's rows have before and behind it.
  const auto fits = [&](Dim in, Dim out) {
    return in * out * static_cast<Dim>(sizeof(T)) <= kLaneBytes && 2 * in * out <= s.lanes.most_rows() * (in + out);
  };
  if (!s.lanes) return LaneCut::none;
  if (s.m == s.lanes.rows && s.a_k == 1 && s.k <= kChunk && s.n <= kBlockCols && fits(s.k, s.n)) return LaneCut::rows;
  const bool over_rows = s.k == s.lanes.rows && s.a_row == 1 && s.b_col == 1;
  return over_rows && s.epilogue.instructions.empty() && fits(s.m, s.n) ? LaneCut::sums : LaneCut::none;
}

template <class T>
Dim matmul_tasks(const kernels::Kernels<T>& k, const MatmulSpec& spec) {
  const Cut cut = cut_blocks(k, spec);
  return cut.down * cut.across;
}

template CallPtr make_matmul_call<float>(const kernels::Kernels<float>&, MatmulSpec);
template CallPtr make_matmul_call<double>(const kernels::Kernels<double>&, MatmulSpec);
template LaneCut lane_cut<float>(const MatmulSpec&);
template LaneCut lane_cut<double>(const MatmulSpec&);
template Dim matmul_tasks<float>(const kernels::Kernels<float>&, const MatmulSpec&);
template Dim matmul_tasks<double>(const kernels::Kernels<double>&, const MatmulSpec&);

}  // namespace backpass
