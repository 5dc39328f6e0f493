// Running a program: operands become pointers, instructions become kernel calls on one tile.
#include "plan/calls/program.h"

#include <algorithm>

namespace backpass {
namespace {

template <class T>
struct Pointer {
  T* data = nullptr;
  kernels::Size ld = 0;
};

template <class T>
class TileRunner {
 public:
  TileRunner(const kernels::Kernels<T>& k, const Program& program, const Context& context, T* registers)
      : k_(k), program_(program), context_(context), registers_(registers), capacity_(program.register_elements()) {}

  void run(const Tile& tile, double* partials) noexcept {
    tile_ = tile;
    for (const Instruction& i : program_.instructions) run(i, partials);
  }

 private:
  Pointer<T> at(const Operand& operand) const noexcept {
    if (operand.in_register) {
      const kernels::Size ld = operand.layout == Layout::full ? tile_.cols : 0;
      return {registers_ + static_cast<std::size_t>(operand.index) * capacity_, ld};
    }
    if (operand.layout == Layout::none) return {};
    T* base = reinterpret_cast<T*>(context_.address[operand.index]);
    switch (operand.layout) {
      case Layout::full:
        return {base + tile_.row * program_.cols + tile_.col, program_.cols};
      case Layout::row:
        return {base + tile_.col, 0};
      case Layout::column:
        return {base + tile_.row, 0};
      case Layout::strided:
        return strided(base, static_cast<std::size_t>(operand.view));
      case Layout::scalar:
      case Layout::none:
        break;
    }
    return {base, 0};
  }

  // In place where the tile is within a block, else row by row into the view's own register.
  Pointer<T> strided(T* base, std::size_t index) const noexcept {
    const View& view = program_.views[index];
    const Dim cols = view.column ? 1 : tile_.cols;
    if (!view.column) base += tile_.col;
    Dim row = tile_.row % view.rows, left = tile_.rows;
    Walk block(view.blocks, tile_.row / view.rows);
    if (row + left <= view.rows && (!view.column || view.step == 1 || left == 1))
      return {base + block.a() + row * view.step, view.column ? 1 : view.step};
    T* const copy = registers_ + (static_cast<std::size_t>(program_.registers) + index) * capacity_;
    for (T* out = copy; left > 0; row = 0, block.next()) {
      const Dim rows = std::min(view.rows - row, left);
      copy_rows(out, base + block.a() + row * view.step, view.step, rows, cols);
      out += rows * cols;
      left -= rows;
    }
    return {copy, cols};
  }

  static void copy_rows(T* out, const T* a, Dim step, Dim rows, Dim cols) noexcept {
    if (step == cols) {
      std::copy_n(a, rows * cols, out);
    } else if (cols == 1) {
      for (Dim row = 0; row < rows; ++row) out[row] = a[row * step];
    } else {
      for (Dim row = 0; row < rows; ++row) std::copy_n(a + row * step, cols, out + row * cols);
    }
  }

  const std::int32_t* labels(const Operand& operand) const noexcept {
    return reinterpret_cast<const std::int32_t*>(context_.address[operand.index]) + tile_.row;
  }

  // A column is one row of `rows` elements; a row is filled once.
  Dim rows_of(const Operand& out) const noexcept { return out.layout == Layout::full ? tile_.rows : 1; }
  Dim cols_of(const Operand& out) const noexcept { return out.layout == Layout::column ? tile_.rows : tile_.cols; }

  void run(const Instruction& i, double* partials) noexcept {
    const Pointer<T> out = at(i.out), a = at(i.a);
    const Dim rows = tile_.rows, cols = tile_.cols;
    switch (i.code) {
      case Code::elementwise: {
        const Pointer<T> b = at(i.b);
        k_.elementwise[static_cast<int>(i.fn)](out.data, out.ld, a.data, a.ld, b.data, b.ld, static_cast<T>(i.alpha),
                                               rows_of(i.out), cols_of(i.out));
        break;
      }
      case Code::fill:
        k_.fill(out.data, out.ld, static_cast<T>(i.alpha), rows_of(i.out), cols_of(i.out));
        break;
      case Code::load_scalar:
        k_.fill(out.data, out.ld, *a.data, rows_of(i.out), cols_of(i.out));
        break;
      case Code::broadcast_column:
        k_.broadcast_column(out.data, out.ld, a.data, rows, cols);
        break;
      case Code::softmax:
        softmax(i, out, a);
        break;
      case Code::center:
        k_.center(out.data, out.ld, a.data, a.ld, rows, cols);
        break;
      case Code::inverse_rms:
        k_.inverse_rms(out.data, a.data, a.ld, static_cast<T>(i.alpha), rows, cols);
        break;
      case Code::row_sum:
        k_.row_sum(out.data, a.data, a.ld, rows, cols);
        break;
      case Code::take_label:
        k_.take_label(out.data, a.data, a.ld, labels(i.b), rows, cols);
        if (i.ignore) clear_ignored(out, labels(i.b), *i.ignore, 1);
        break;
      case Code::put_label:
        k_.put_label(out.data, out.ld, a.data, labels(i.b), rows, cols);
        if (i.ignore) clear_ignored(out, labels(i.b), *i.ignore, cols);
        break;
      case Code::random_keep:
      case Code::random_normal:
      case Code::random_uniform:
        draw(i, out);
        break;
      case Code::total_sum:
        partials[i.sum] += k_.sum(a.data, a.ld, rows_of(i.a), cols_of(i.a));
        break;
    }
  }

  void softmax(const Instruction& i, const Pointer<T>& out, const Pointer<T>& a) noexcept {
    const Pointer<T> lse = at(i.out2), shifted = at(i.out3);
    k_.softmax(out.data, out.ld, lse.data, shifted.data, shifted.ld, a.data, a.ld, tile_.rows, tile_.cols);
  }

  // Zeros in the rows of one label. A column lies densely.
  void clear_ignored(const Pointer<T>& out, const std::int32_t* label, Dim ignored, Dim cols) noexcept {
    const Dim ld = out.ld == 0 ? 1 : out.ld;
    for (Dim row = 0; row < tile_.rows; ++row)
      if (label[row] == ignored) std::fill_n(out.data + row * ld, cols, static_cast<T>(0));
  }

  // Element e of the whole space gets number e of the stream, however it is cut.
  void draw(const Instruction& i, const Pointer<T>& out) noexcept {
    const kernels::RandomStream stream{context_.seed, i.stream, context_.step};
    const T scale = static_cast<T>(1 / (1 - i.alpha));
    const bool column = i.out.layout == Layout::column, dense = column || tile_.cols == program_.cols;
    const Dim rows = dense ? 1 : tile_.rows, cols = dense ? tile_.rows * (column ? 1 : tile_.cols) : tile_.cols;
    const Dim row_length = column ? 1 : program_.cols;
    for (Dim row = 0; row < rows; ++row) {
      const Dim first = (tile_.row + row) * row_length + (column ? 0 : tile_.col);
      T* to = out.data + row * out.ld;
      const std::uint64_t from = static_cast<std::uint64_t>(first);
      if (i.code == Code::random_normal)
        k_.random_normal(to, stream, from, cols);
      else if (i.code == Code::random_uniform)
        k_.random_uniform(to, stream, from, cols);
      else
        k_.random_keep(to, stream, from, cols, i.alpha, scale);
    }
  }

  const kernels::Kernels<T>& k_;
  const Program& program_;
  const Context& context_;
  T* registers_;
  std::size_t capacity_;
  Tile tile_{};
};

// In memory, for all rows or for those of a block.
bool is_row(const Program& program, const Operand& operand) {
  if (operand.layout != Layout::strided) return operand.layout == Layout::row && !operand.in_register;
  const View& view = program.views[static_cast<std::size_t>(operand.view)];
  return view.step == 0 && !view.column;
}

}  // namespace

template <class T>
void run_program(const kernels::Kernels<T>& k, const Program& program, const Context& context, const Tile& block,
                 T* registers, double* partials) noexcept {
  if (block.rows <= 0 || (block.cols <= 0 && !program.whole_rows)) return;  // rows of nothing have sums, too
  TileRunner<T> runner(k, program, context, registers);
  const Dim tile_cols = std::max<Dim>(1, std::min(program.tile_cols(), block.cols));
  const Dim left = program.block > 0 ? program.block - block.row % program.block : block.rows;  // before another begins
  if (block.rows * std::max<Dim>(1, block.cols) <= kTileElements && block.rows <= left)
    return runner.run(block, partials);
  const Dim most_rows = std::max<Dim>(1, kTileElements / tile_cols);
  for (Dim row = 0, rows = 0; row < block.rows; row += rows) {
    rows = std::min(most_rows, block.rows - row);
    if (program.block > 0) rows = std::min(rows, program.block - (block.row + row) % program.block);
    for (Dim col = 0; col == 0 || col < block.cols; col += tile_cols)
      runner.run({block.row + row, rows, block.col + col, std::min(tile_cols, block.cols - col)}, partials);
  }
}

template <class T>
void finish_sums(const Program& program, const Context& context, Dim tasks) noexcept {
  const std::size_t stride = program.sums.size();
  for (std::size_t s = 0; s < stride; ++s) {
    const TotalSum& total = program.sums[s];
    const double* partials = reinterpret_cast<const double*>(context.address[total.partials]);
    double sum = 0;
    for (Dim task = 0; task < tasks; ++task) sum += partials[static_cast<std::size_t>(task) * stride + s];
    *reinterpret_cast<T*>(context.address[total.value]) = static_cast<T>(total.alpha * sum);
  }
}

std::string Program::describe() const {
  static constexpr const char* kCodes[] = {"",        "fill",        "load",    "broadcast",  "softmax",
                                           "center",  "inverse_rms", "row_sum", "take_label", "put_label",
                                           "dropout", "normal",      "uniform", "sum"};
  static_assert(std::size(kCodes) == static_cast<std::size_t>(Code::total_sum) + 1, "a name for each code");
  std::string text;
  for (const Instruction& i : instructions) {
    if (i.code == Code::fill || i.code == Code::load_scalar || i.code == Code::broadcast_column) continue;
    if (!text.empty()) text += ' ';
    if (i.code != Code::elementwise)
      text += kCodes[static_cast<int>(i.code)];
    else if (i.fn == Elementwise::add && is_row(*this, i.b))
      text += "+bias";
    else
      text += name(i.fn);
  }
  return text;
}

template void run_program<float>(const kernels::Kernels<float>&, const Program&, const Context&, const Tile&, float*,
                                 double*) noexcept;
template void run_program<double>(const kernels::Kernels<double>&, const Program&, const Context&, const Tile&, double*,
                                  double*) noexcept;
template void finish_sums<float>(const Program&, const Context&, Dim) noexcept;
template void finish_sums<double>(const Program&, const Context&, Dim) noexcept;

}  // namespace backpass
