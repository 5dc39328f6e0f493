// The kernel table: every function pointer and block size of one instruction set and scalar type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backpass/elementwise.h"

namespace backpass::kernels {

using Size = std::ptrdiff_t;

// All matrices are row-major. `ld*` is the distance in elements between rows; 0 repeats one row.
// Letters: C (m, n) = A (m, k) * B (k, n).

// How one block of a product is computed; a function of shapes and strides alone, fixed while compiling.
enum class MatmulPath : unsigned char {
  dot,       // vectors run along k, both operands read in place; needs a_k == 1 and b_k == 1
  in_place,  // vectors run along n, A broadcast in place, B read in place (b_col == 1)
  pack_b,    // as in_place, with B copied panel by panel
  pack_ab,   // as pack_b, with A copied block by block as well
  packed_a,  // as pack_ab, with A copied beforehand by pack_a: for many blocks that read the same rows
  // On tiles, where Kernels::tiles says so, by the parts of operands that are split into bfloat16 numbers:
  split1,  // one product of parts: of the rounded operands
  split3,  // three products of two parts each
  split6,  // six products of three parts each: as accurate as the others above
};

// What becomes of a product while it is in registers: a row is added, then relu, or its derivative by a kept output.
template <class T>
struct RegisterEpilogue {
  const T* bias = nullptr;      // (n)
  bool relu = false;            // max(c, 0)
  const T* relu_out = nullptr;  // (m, n): c where relu_out > 0, else 0
  Size ld_relu_out = 0;
};

// Dense operands (m, k) and (k, n), or transposed, of the block that follows; null where one is near already.
template <class T>
struct NextOperands {
  const T *a, *b;
};

template <class T>
struct MatmulBlock {
  T* c;  // (m, n), overwritten
  Size ldc;
  const T* a;  // A(i, p) = a[i * a_row + p * a_k]
  Size a_row, a_k;
  const T* b;  // B(p, j) = b[p * b_k + j * b_col]
  Size b_k, b_col;
  Size m, n, k;  // k == 0 writes zeros
  MatmulPath path;
  T* scratch;  // matmul_scratch elements, 64-byte aligned
  RegisterEpilogue<T> epilogue = {};
  const NextOperands<T>* next = nullptr;  // fetched meanwhile
};

// Part of the inner dimension of a window product: where its elements of A begin, and those of B.
struct Run {
  Size a, b, length;
};

// C = A B, or C += A B, where rows of A lie in lines and the inner dimension in runs, as windows over an image do:
// A(l, i, p) = a[l * a_line + i * a_row + run.a + q * a_k] for line l, row i of it, and p the q-th of a run.
template <class T>
struct WindowBlock {
  T* c;  // C(l, i, j) = c[l * c_line + i * ldc + j]
  Size c_line, ldc;
  const T* a;
  Size a_line, a_row, a_k;
  const T* b;  // by panels, as pack_runs leaves them; or rows b_k apart, of which runs take one after the other
  Size b_k;
  bool packed_b;
  Size lines, rows, n, k;
  const Run* runs;  // none is longer than kc
  Size run_count;
  bool add;
  T* scratch;                         // nr * kc elements, where B is not packed
  RegisterEpilogue<T> epilogue = {};  // relu_out lies as C does
};

// The update kernels; what state each keeps is said beside it.
enum class UpdateRule : unsigned char {
  sgd,       // velocity, where there is momentum
  adam,      // first and second moment
  amsgrad,   // as adam, and the largest second moment so far
  nadam,     // as adam
  radam,     // as adam
  rmsprop,   // sum or mean of squares; velocity, where there is momentum; mean gradient, where it is centered
  adadelta,  // mean square of gradients, and of steps
  adamax,    // first moment, decayed maximum
  lion,      // first moment
};
inline constexpr std::size_t kUpdateRules = static_cast<std::size_t>(UpdateRule::lion) + 1;  // the last stays the last

// What an update kernel reads in one step; each rule reads its own part.
struct UpdateSettings {
  double learning_rate = 0, weight_decay = 0;
  double beta1 = 0, fresh1 = 1;  // a velocity or first moment: beta1 of it is kept, fresh1 of the gradient added
  double beta2 = 0, fresh2 = 1;  // a second moment, likewise
  double eps = 0;
  bool nesterov = false;
  bool decoupled = false;  // decay the weight itself (Loshchilov and Hutter 2019), not through the gradient
  // Of this step:
  double step_size = 0;      // the learning rate, corrected
  double gradient_step = 0;  // nadam: of the gradient itself
  double shrink = 1;         // decoupled: 1 - learning_rate weight_decay, which the weight is multiplied by
  double root = 1;           // the square root of what corrects the second moment
  bool rectified = true;     // radam: whether the second moment is divided by
};

// An array that a step changes, in its place or into another one.
template <class T>
struct Updated {
  T* to = nullptr;
  const T* from = nullptr;
};
template <class T>
Updated<T> in_place(T* at) {
  return {at, at};
}

// Where in the counter space of Philox 4x32-10 a stream of random numbers lies (Salmon et al. 2011).
struct RandomStream {
  std::uint64_t seed;  // the key
  std::uint32_t op;    // which op of the graph
  std::uint64_t step;  // which training step (low 32 bits are used)
};

inline constexpr Size kInt8Group = 128;  // elements that share a scale

template <class T>
struct Kernels {
  using ElementwiseKernel = void (*)(T* out, Size ldo, const T* a, Size lda, const T* b, Size ldb, T alpha, Size rows,
                                     Size cols) noexcept;
  using UpdateKernel = void (*)(Updated<T> weight, const T* grad, Updated<T> state0, Updated<T> state1,
                                Updated<T> state2, const UpdateSettings& settings, Size n) noexcept;

  Size mr, nr, kc;          // register tile (mr, nr); inner dimension per pass
  Size mc;                  // rows of A that are packed at a time
  Size dot_rows, dot_cols;  // the tile of dot products
  // Blocks of C: at most so many rows, of which A, kc deep, stays in L2 while panel after panel of B meets them; and so
  // many columns, which stay there with the rest until the epilogue has run. Fewer than few_rows do not pay for a copy
  // of B of their own.
  Size block_rows, block_cols, few_rows;
  Size vector;  // elements in a vector
  bool tiles;   // whether matmul takes the paths of split operands; see amx_permission.h

  // c = a * b, over the whole of k; see MatmulBlock.
  void (*matmul)(const MatmulBlock<T>& block) noexcept;
  // out (rows * k): the rows (one at least) of a block as MatmulPath::packed_a reads them; the part of pass `pass` of
  // matmul_passes.
  void (*pack_a)(T* out, const T* a, Size a_row, Size a_k, Size rows, Size k, Size pass) noexcept;

  void (*window_product)(const WindowBlock<T>& block) noexcept;
  // One panel of n columns, nr at most: out (k, whole vectors) = the rows of B that the runs name, zeros beyond n.
  // B(p, j) = b[run.b + q * b_k + j * b_col].
  void (*pack_runs)(T* out, const T* b, Size b_k, Size b_col, Size n, const Run* runs, Size run_count) noexcept;

  // Indexed by Elementwise. `b` is ignored by unary functions; out may be a or b itself.
  ElementwiseKernel elementwise[kElementwiseCount];

  // By rows: y = softmax(x), shifted = x less its greatest element, lse = log(sum(exp(x))), or that of `shifted` where
  // it is asked for; each may be null. y may be x.
  // x, y, shifted: (rows, cols), lse: (rows). cols == 0 gives lse = -inf.
  void (*softmax)(T* y, Size ldy, T* lse, T* shifted, Size lds, const T* x, Size ldx, Size rows, Size cols) noexcept;
  // y = x less the mean of its row: (rows, cols). y may be x.
  void (*center)(T* y, Size ldy, const T* x, Size ldx, Size rows, Size cols) noexcept;
  // out = 1 / sqrt(mean(x^2) + eps) by rows, without overflow; x: (rows, cols), out: (rows).
  void (*inverse_rms)(T* out, const T* x, Size ldx, T eps, Size rows, Size cols) noexcept;

  // best = x and picked = number where x is greater than best, or nan, or picked is negative: nothing yet. best,
  // picked: (rows, cols), ldo apart.
  void (*pick_greatest)(T* best, T* picked, Size ldo, const T* x, Size ldx, T number, Size rows, Size cols) noexcept;
  // out = x, and out += x, where picked == number. out and picked, or picked and x, lie alike.
  void (*take_picked)(T* out, const T* picked, Size ldo, const T* x, Size ldx, T number, Size rows, Size cols) noexcept;
  void (*add_picked)(T* out, Size ldo, const T* picked, const T* x, Size ldx, T number, Size rows, Size cols) noexcept;

  void (*row_sum)(T* out, const T* a, Size lda, Size rows, Size cols) noexcept;           // out: (rows)
  void (*row_max)(T* out, const T* a, Size lda, Size rows, Size cols) noexcept;           // out: (rows); -inf if empty
  void (*broadcast_column)(T* out, Size ldo, const T* a, Size rows, Size cols) noexcept;  // a: (rows)
  void (*fill)(T* out, Size ldo, T value, Size rows, Size cols) noexcept;

  // partial[j] = sum over rows of a(i, j), in double beyond short runs of rows: an error that does not grow with rows.
  void (*column_sum)(double* partial, const T* a, Size lda, Size rows, Size cols) noexcept;
  // The same of the differences from the first row, and then that row as often: exact where all rows are the same.
  void (*column_sum_shifted)(double* partial, const T* a, Size lda, Size rows, Size cols) noexcept;
  // The sum of all elements, likewise.
  double (*sum)(const T* a, Size lda, Size rows, Size cols) noexcept;

  // out(i) = a(i, labels[i]); labels are within [0, cols).
  void (*take_label)(T* out, const T* a, Size lda, const std::int32_t* labels, Size rows, Size cols) noexcept;
  // out(i, j) = value(i) where j == labels[i], else 0.
  void (*put_label)(T* out, Size ldo, const T* value, const std::int32_t* labels, Size rows, Size cols) noexcept;

  // out(i) = `keep_scale` with probability 1 - drop, else 0, for elements first .. first + n of the stream: element e
  // takes 32-bit word e % 4 of counter e / 4 and is kept when word >= drop * 2^32.
  void (*random_keep)(T* out, const RandomStream& stream, std::uint64_t first, Size n, double drop,
                      T keep_scale) noexcept;
  // out(i) is normal with mean 0 and deviation 1, for elements first .. first + n of the stream: the quantile of
  // (word + 1/2) / 2^32, with the word that random_keep takes.
  void (*random_normal)(T* out, const RandomStream& stream, std::uint64_t first, Size n) noexcept;
  // out(i) = (word + 1/2) / 2^32, of that word; in float32 of its first 23 bits, (bits + 1/2) / 2^23: never 0 or 1.
  void (*random_uniform)(T* out, const RandomStream& stream, std::uint64_t first, Size n) noexcept;

  // out(i, :) = source(index[i], :).
  void (*gather_rows)(T* out, const T* source, Size ld_source, const std::int64_t* index, Size rows,
                      Size cols) noexcept;
  // out (cols, rows) = transpose of a (rows, cols).
  void (*transpose)(T* out, Size ldo, const T* a, Size lda, Size rows, Size cols) noexcept;

  // y += factor * x, of n elements, in double whatever T is.
  void (*add_scaled)(double* y, const double* x, double factor, Size n) noexcept;

  // One sweep over n parameters. State that a rule does not keep is null. No contraction: w - (learning_rate * g),
  // rounded twice. Indexed by UpdateRule.
  UpdateKernel update[kUpdateRules];
  double update_flops[kUpdateRules];  // floating-point operations per parameter

  // Whether the sum of factor * a[i] is: never where some |factor * a[i]| is twice the largest number or more; always
  // where the sum of all |factor * a[i]| is below the largest; with factor 0, where every a[i] is finite and only
  // there.
  bool (*sum_is_finite)(const T* a, T factor, Size n) noexcept;
  double (*sum_of_squares)(const T* a, Size n) noexcept;  // in double
  void (*clamp)(T* a, T limit, Size n) noexcept;          // into [-limit, limit]; nan stays

  // The nearest bfloat16, ties to even, and back; nan stays nan.
  void (*narrow)(std::uint16_t* out, const T* a, Size n) noexcept;
  void (*widen)(T* out, const std::uint16_t* a, Size n) noexcept;
  // The nearest out * scale, ties to even, where scale is the largest magnitude of each kInt8Group elements / 127; but
  // what is not zero keeps its sign, in steps of one. And back. Of a group with an infinity or nan nothing finite comes
  // back.
  void (*narrow_int8)(std::int8_t* out, float* scale, const T* a, Size n) noexcept;
  void (*widen_int8)(T* out, const std::int8_t* a, const float* scale, Size n) noexcept;
};

// How many passes over k a product makes whose operands are copied.
template <class T>
Size matmul_passes(const Kernels<T>& kernels, Size k);

// Elements of scratch that a block needs on a path.
template <class T>
Size matmul_scratch(const Kernels<T>& kernels, MatmulPath path, Size m, Size n, Size k);

// The path for a product of this shape and these strides, from measured constants.
template <class T>
MatmulPath choose_matmul_path(const Kernels<T>& kernels, Size m, Size n, Size k, Size a_row, Size a_k, Size b_k,
                              Size b_col);

}  // namespace backpass::kernels
