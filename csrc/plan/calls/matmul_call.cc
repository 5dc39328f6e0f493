// Matmul: blocks of C, each with its epilogue; of many small products several at a time.
#include <algorithm>
#include <sstream>

#include "plan/calls/matmul_cut.h"
#include "plan/calls/ordinary.h"
#include "plan/calls/register_epilogue.h"

namespace backpass {
namespace {

// So many elements of C stay in the cache until their epilogue has run.
constexpr Dim kEpilogueElements = 16384;
// Products of fewer bytes than this stay near from one run to the next: nothing is fetched ahead.
constexpr double kNearBytes = 1 << 20;
// What one of many products costs beside its work.
constexpr double kNanosecondsPerProduct = 20;

// Of many products or of one, which is spared what tells them apart.
template <class T, bool many>
class MatmulCall final : public Call {
 public:
  MatmulCall(const kernels::Kernels<T>& k, MatmulSpec spec)
      : k_(k),
        s_(std::move(spec)),
        lane_cut_(lane_cut(k, s_)),
        depth_(matmul_depth<T>(s_, lane_cut_)),
        cut_(cut_blocks(k, s_)),
        blocks_(cut_.down * cut_.across),
        products_(s_.products()),
        together_(std::clamp<Dim>(kEpilogueElements / std::max<Dim>(1, s_.m * s_.n), 1, cut_.products)) {
    const Dim rows = std::min(cut_.rows, s_.m), cols = std::min(cut_.cols, s_.n);
    pack_bytes_ = round_bytes(kernels::matmul_scratch(k, cut_.path, rows, cols, depth_));
    const std::size_t sums_bytes =
        s_.k > kChunk ? round_bytes(rows * cols) + static_cast<std::size_t>(rows * cols) * sizeof(double) : 0;
    scratch_bytes = pack_bytes_ + std::max(sums_bytes, static_cast<std::size_t>(s_.epilogue.all_registers()) *
                                                           round_bytes(block_register()));
    tasks = cut_.tasks(s_);
    in_lanes = lane_cut_ != LaneCut::none;
    finishes = !s_.epilogue.sums.empty();
    describe();
    fetches_ = many && blocks_ == 1 && bytes > kNearBytes && is_dense();
    if (s_.k <= kChunk) in_registers_ = take_register_epilogue(s_.epilogue, s_.c, s_.m);
  }

  void run(const Context& context, Dim task, std::byte* scratch) const noexcept override {
    if (lane_cut_ == LaneCut::sums) return sum_lane(context, task, scratch);
    const Dim before = many ? task / blocks_ : 0;  // tasks' worth of products
    const Tile tile = in_lanes ? s_.lanes.tile(task, s_.n) : block(task - before * blocks_);
    double* partials = nullptr;
    if (finishes) {
      partials = reinterpret_cast<double*>(context.address[s_.epilogue.sums[0].partials]) +
                 static_cast<std::size_t>(task) * s_.epilogue.sums.size();
      std::fill_n(partials, s_.epilogue.sums.size(), 0.0);
    }
    if (tile.rows <= 0 || tile.cols <= 0 || (many && products_ == 0)) return;
    if constexpr (many) {
      const Dim first = before * cut_.products, end = std::min(first + cut_.products, products_);
      for (Walk walk(s_.repeated, first); walk.index() < end;)
        several(context, walk, std::min(together_, end - walk.index()), tile, partials, scratch);
    } else {
      one(context, tile, partials, scratch);
    }
  }

  void finish(const Context& context) const noexcept override { finish_sums<T>(s_.epilogue, context, tasks); }

 private:
  // Which of many products, and where its operands begin; and those of the next.
  struct Product {
    Dim index = 0, a = 0, b = 0, next_a = 0, next_b = 0;
  };

  // Whether the elements of each operand lie one after the other.
  bool is_dense() const {
    return std::max(s_.a_row, s_.a_k) == (s_.a_k == 1 ? s_.k : s_.m) &&
           std::max(s_.b_k, s_.b_col) == (s_.b_col == 1 ? s_.n : s_.k);
  }

  // A block of the only product.
  void one(const Context& context, const Tile& tile, double* partials, std::byte* scratch) const noexcept {
    T* c = reinterpret_cast<T*>(context.address[s_.c]) + tile.row * s_.n + tile.col;
    multiply_in_chunks(context, c, {}, tile, 0, s_.k, scratch);
    end_block(context, c, tile, partials, scratch);
  }

  // The same block of several products, which lie side by side where there are more than one.
  void several(const Context& context, Walk& walk, Dim count, const Tile& tile, double* partials,
               std::byte* scratch) const noexcept {
    const Dim row = walk.index() * s_.m + tile.row;
    T* c = reinterpret_cast<T*>(context.address[s_.c]) + row * s_.n + tile.col;
    for (Dim i = 0; i < count; ++i) {
      Product product{walk.index(), walk.a(), walk.b()};
      walk.next();
      product.next_a = walk.a();
      product.next_b = walk.b();
      multiply_in_chunks(context, c + i * s_.m * s_.n, product, tile, 0, s_.k, scratch);
    }
    end_block(context, c, {row, count > 1 ? count * s_.m : tile.rows, tile.col, tile.cols}, partials, scratch);
  }

  void end_block(const Context& context, const T* c, const Tile& tile, double* partials,
                 std::byte* scratch) const noexcept {
    if (!s_.epilogue.instructions.empty())
      run_program(k_, s_.epilogue, context, tile, reinterpret_cast<T*>(scratch + pack_bytes_), partials);
    if (s_.watched) watch(context, c, tile);
  }

  // While the block is in the cache.
  void watch(const Context& context, const T* c, const Tile& tile) const noexcept {
    const bool whole = tile.cols == s_.n;
    const Dim rows = whole ? 1 : tile.rows, cols = whole ? tile.rows * tile.cols : tile.cols;
    for (Dim row = 0; row < rows; ++row) watch_gradient(k_, context, c + row * s_.n, cols);
  }

  Tile block(Dim task) const noexcept {
    if (blocks_ == 1) return {0, s_.m, 0, s_.n};
    // Down first, so that what blocks copy of B is near for the next.
    const Dim row = task % cut_.down * cut_.rows, col = task / cut_.down * cut_.cols;
    return {row, std::min(cut_.rows, s_.m - row), col, std::min(cut_.cols, s_.n - col)};
  }

  void sum_lane(const Context& context, Dim lane, std::byte* scratch) const noexcept {
    T* c = reinterpret_cast<T*>(context.address[s_.c]) + lane * s_.m * s_.n;
    multiply_in_chunks(context, c, {}, {0, s_.m, 0, s_.n}, s_.lanes.begin(lane), s_.lanes.rows_of(lane), scratch);
  }

  // In one call of the kernel.
  void multiply(const Context& context, T* c, kernels::Size ldc, const Product& product, const Tile& t, Dim first,
                Dim k, std::byte* scratch) const noexcept {
    const T* a = reinterpret_cast<const T*>(context.address[s_.a]) + product.a;
    a += s_.packed_a ? t.row * s_.k : t.row * s_.a_row + first * s_.a_k;
    const T* b = reinterpret_cast<const T*>(context.address[s_.b]) + product.b + t.col * s_.b_col + first * s_.b_k;
    kernels::MatmulBlock<T> block{c,
                                  ldc,
                                  a,
                                  s_.a_row,
                                  s_.a_k,
                                  b,
                                  s_.b_k,
                                  s_.b_col,
                                  t.rows,
                                  t.cols,
                                  k,
                                  cut_.path,
                                  reinterpret_cast<T*>(scratch),
                                  epilogue(context, product.index, t)};
    kernels::NextOperands<T> next;
    if (many && fetches_ && product.index + 1 < products_) {
      next = {product.next_a == product.a ? nullptr : a + (product.next_a - product.a),
              product.next_b == product.b ? nullptr : b + (product.next_b - product.b)};
      block.next = &next;
    }
    k_.matmul(block);
  }

  kernels::RegisterEpilogue<T> epilogue(const Context& context, Dim product, const Tile& t) const noexcept {
    kernels::RegisterEpilogue<T> result{.relu = in_registers_.relu, .ld_relu_out = s_.n};
    const Dim own = in_registers_.bias_by_product ? product * s_.n : 0;
    if (in_registers_.bias >= 0)
      result.bias = reinterpret_cast<const T*>(context.address[in_registers_.bias]) + own + t.col;
    if (in_registers_.relu_out >= 0)
      result.relu_out =
          reinterpret_cast<const T*>(context.address[in_registers_.relu_out]) + (product * s_.m + t.row) * s_.n + t.col;
    return result;
  }

  // c (t.rows, t.cols; a row of C from the next) = the product over inner indices [first, first + k).
  void multiply_in_chunks(const Context& context, T* c, const Product& product, const Tile& t, Dim first, Dim k,
                          std::byte* scratch) const noexcept {
    if (k <= depth_)
      multiply(context, c, s_.n, product, t, first, k, scratch);
    else
      add_chunks(context, c, product, t, first, k, scratch);
  }

  void add_chunks(const Context& context, T* c, const Product& product, const Tile& t, Dim first, Dim k,
                  std::byte* scratch) const noexcept {
    const Dim elements = t.rows * t.cols;
    T* part = reinterpret_cast<T*>(scratch + pack_bytes_);
    double* sums = reinterpret_cast<double*>(scratch + pack_bytes_ + round_bytes(elements));
    std::fill_n(sums, elements, 0.0);
    for (Dim done = 0; done < k; done += depth_) {
      multiply(context, part, t.cols, product, t, first + done, std::min(depth_, k - done), scratch);
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
    static constexpr const char* kPaths[] = {"dot",      "in place", "pack b", "pack a b",
                                             "packed a", "amx x1",   "amx x3", "amx x6"};
    name = "matmul";
    std::ostringstream text;
    const bool transpose_a = s_.a_k != 1, transpose_b = s_.b_k == 1 && s_.b_col != 1;
    if (!s_.repeated.empty()) text << products_ << " of ";
    text << '(' << s_.m << ", " << s_.k << (transpose_a ? ")T" : ")") << " x (" << s_.k << ", " << s_.n
         << (transpose_b ? ")T" : ")");
    const std::string epilogue = s_.epilogue.describe();
    if (!epilogue.empty()) text << "; " << epilogue;
    text << "; " << kPaths[static_cast<int>(cut_.path)];
    detail = text.str();
    const double m = static_cast<double>(s_.m), n = static_cast<double>(s_.n), k = static_cast<double>(s_.k);
    const double products = static_cast<double>(products_);
    flops = products * 2 * m * n * k;
    bytes = products * sizeof(T) * (m * k + k * n + m * n);
    const double epilogue_cost = products * m * n * static_cast<double>(s_.epilogue.instructions.size()) * 0.2;
    const double multiplying = flops / kFlopsPerNanosecond * (sizeof(T) / 4.0);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + epilogue_cost +
           (products_ > 1 ? std::max(multiplying, bytes / kBytesPerNanosecond) + products * kNanosecondsPerProduct
                          : multiplying);
  }

  const kernels::Kernels<T>& k_;
  MatmulSpec s_;
  LaneCut lane_cut_;
  Dim depth_;
  BlockCut cut_;
  Dim blocks_, products_;
  Dim together_;
  bool fetches_;
  std::size_t pack_bytes_;
  RegisterEpilogue in_registers_;
};

}  // namespace

template <class T>
CallPtr make_matmul_call(const kernels::Kernels<T>& k, MatmulSpec spec) {
  if (spec.products() == 1) return std::make_unique<MatmulCall<T, false>>(k, std::move(spec));
  return std::make_unique<MatmulCall<T, true>>(k, std::move(spec));
}

template CallPtr make_matmul_call<float>(const kernels::Kernels<float>&, MatmulSpec);
template CallPtr make_matmul_call<double>(const kernels::Kernels<double>&, MatmulSpec);

}  // namespace backpass
