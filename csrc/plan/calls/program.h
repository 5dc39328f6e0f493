// Program: a fused chain of elementwise and row operations, run tile by tile while the tile is in L1.
#pragma once

#include <algorithm>

#include "graph/op.h"
#include "kernels/table.h"
#include "plan/calls/lanes.h"
#include "plan/calls/repeated.h"

namespace backpass {

// How an operand covers the tile (rows, cols).
enum class Layout : unsigned char {
  none,
  full,     // (rows, cols)
  row,      // (cols), the same for every row
  column,   // (rows), one per row
  scalar,   // one element in memory
  strided,  // full, or a column, from where a View says
};

// Rows of a value in memory that are repeated along some leading dimensions of an operand: blocks of `rows` rows, which
// lie `step` elements apart (0: one row again and again). Where blocks begin follows from their numbers as for
// products.
struct View {
  std::vector<Repeated> blocks = {};
  Dim rows = 1, step = 0;
  bool column = false;  // of each row there is one element
  bool operator==(const View&) const = default;
};

struct Operand {
  Layout layout = Layout::none;
  bool in_register = false;
  int index = -1;  // register or value
  int view = -1;   // of Layout::strided: which of the program's
};

enum class Code : unsigned char {
  elementwise,       // out = fn(a, b)
  fill,              // out = alpha
  load_scalar,       // out = *a
  broadcast_column,  // out (full) = a (column)
  softmax,           // out (full) = softmax(a), out2 (column) = log-sum-exp, of out3 where that is there; out3 (full) =
                     // a less the greatest of its row; each may be none
  center,            // out (full) = a less the mean of its row
  inverse_rms,       // out (column) = 1 / sqrt(mean of a^2 by rows + alpha)
  row_sum,           // out (column) = sum of a (full) by rows
  take_label,        // out (column) = a[label]
  put_label,         // out (full) = a (column) at the label, else 0
  random_keep,       // out (full) = dropout mask of `stream` at rate alpha
  random_normal,     // out (full) = normal numbers of `stream`
  random_uniform,    // out (full) = uniform numbers of `stream`
  total_sum,         // the task's partial sum number `sum` += a
};

struct Instruction {
  Code code = Code::elementwise;
  Elementwise fn = Elementwise::copy;
  double alpha = 0;
  std::uint32_t stream = 0;
  int sum = -1;
  std::optional<Dim> ignore = {};  // of take_label and put_label: the label of rows that give 0
  Operand out = {}, out2 = {}, out3 = {}, a = {}, b = {};
};

// What one total_sum leaves: value[0] = alpha * sum of the tasks' slots in `partials`.
struct TotalSum {
  int value = -1, partials = -1;
  double alpha = 1;
};

inline constexpr Dim kTileElements = 1024;  // a register of 4 KiB in float32: six of them and the operands fit in L1

struct Program {
  std::vector<Instruction> instructions;
  std::vector<TotalSum> sums;
  Dim rows = 0, cols = 0;
  std::vector<View> views;
  Dim block = 0;            // tiles end at multiples of so many rows, so that views are read in place; 0: anywhere
  bool whole_rows = false;  // a row operation needs all columns at once
  int registers = 0;        // of the instructions; each view has one more, for tiles that are not read in place

  int all_registers() const { return registers + static_cast<int>(views.size()); }
  Dim tile_cols() const { return whole_rows ? cols : std::min(cols, kTileElements); }
  // One register, in elements: any tile fits.
  std::size_t register_elements() const {
    return (static_cast<std::size_t>(std::max(kTileElements, tile_cols())) + 15) / 16 * 16;
  }
  std::string describe() const;
};

// Runs a program over a block of its space, tile by tile. registers: program.all_registers() * register_elements().
// partials: one double per total sum, added to; may be null without sums.
template <class T>
void run_program(const kernels::Kernels<T>& k, const Program& program, const Context& context, const Tile& block,
                 T* registers, double* partials) noexcept;

// Adds the slots of `tasks` tasks in order.
template <class T>
void finish_sums(const Program& program, const Context& context, Dim tasks) noexcept;

}  // namespace backpass
