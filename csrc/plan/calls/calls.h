// The kinds of call that graphs are lowered to, and how each is cut into tasks.
#pragma once

#include <array>
#include <memory>

#include "graph/op_row.h"
#include "graph/update.h"
#include "graph/windows.h"
#include "plan/calls/program.h"
#include "plan/calls/repeated.h"
#include "plan/calls/windows.h"

namespace backpass {

using CallPtr = std::unique_ptr<Call>;

// c (m, n) = a * b, then the epilogue on each finished block while it is in cache; or c (products, m, n) likewise.
struct MatmulSpec {
  int c = -1, a = -1, b = -1;  // values
  Dim m = 0, n = 0, k = 0;
  Dim a_row = 0, a_k = 0;               // A(i, p) = a[i * a_row + p * a_k]
  Dim b_k = 0, b_col = 0;               // B(p, j) = b[p * b_k + j * b_col]
  std::vector<Repeated> repeated = {};  // from the outermost, none that could be one with the next; empty: one product
  Precision precision = Precision::highest;
  Program epilogue;       // over (products m, n); empty where there is none
  Lanes lanes;            // of the plan
  bool packed_a = false;  // a holds what a pack call has left
  bool watched = false;   // c is a gradient: whether it is ordinary is noted

  Dim products() const {
    Dim count = 1;
    for (const Repeated& dim : repeated) count *= dim.count;
    return count;
  }
};
// How lanes cut a product: not at all; by rows of A and C; or by rows of A, transposed, and B: each lane leaves a sum
// over its own in c (count, m, n).
enum class LaneCut : unsigned char { none, rows, sums };
template <class T>
LaneCut lane_cut(const kernels::Kernels<T>& k, const MatmulSpec& spec);
template <class T>
CallPtr make_matmul_call(const kernels::Kernels<T>& k, MatmulSpec spec);
template <class T>
Dim matmul_tasks(const kernels::Kernels<T>& k, const MatmulSpec& spec);
// Whether A should be packed by a call of its own: many blocks read it.
template <class T>
bool pays_to_pack_a(const kernels::Kernels<T>& k, const MatmulSpec& spec);

// A of a product, copied as its blocks read it: block of rows after block of rows, out (m * k).
template <class T>
CallPtr make_pack_call(const kernels::Kernels<T>& k, int out, const MatmulSpec& spec);

// A convolution, from images a to images out, then the epilogue; or the gradient to its filters, from images a and the
// gradient b to images of its results.
struct ConvSpec {
  int out = -1, a = -1, b = -1;  // b: filters, as a pack call leaves them
  Dim images = 0, channels = 0, filters = 0, groups = 1;
  AxisWindows height = {}, width = {};
  Program epilogue = {};  // over (images height width, channels of out)
  bool watched = false;   // as in MatmulSpec

  bool transposed() const { return height.transposed; }
  Dim group_channels() const { return channels / groups; }
  Dim group_filters() const { return filters / groups; }
};
template <class T>
CallPtr make_conv_call(const kernels::Kernels<T>& k, ConvSpec spec);
template <class T>
Dim conv_tasks(const kernels::Kernels<T>& k, const ConvSpec& spec);
// The filters of value `b`, (filters, kernel height, kernel width, channels / groups), as a conv call reads them.
template <class T>
CallPtr make_pack_filters_call(const kernels::Kernels<T>& k, int out, const ConvSpec& spec);
template <class T>
Dim packed_filters(const kernels::Kernels<T>& k, const ConvSpec& spec);  // elements
// Sums over some of the images each: out (conv_weight_parts, filters' elements), and all of them, in the filters'
// order.
template <class T>
CallPtr make_conv_weight_call(const kernels::Kernels<T>& k, const ConvSpec& spec);
template <class T>
Dim conv_weight_parts(const kernels::Kernels<T>& k, const ConvSpec& spec);
template <class T>
CallPtr make_add_filters_call(const kernels::Kernels<T>& k, const ConvSpec& spec, Dim parts);

// One of the four ops on windows of pooling; `chosen` is by what the greatest is found.
struct WindowSpec {
  OpKind kind = OpKind::window_sum;
  int out = -1, a = -1, chosen = -1;
  Dim images = 0, channels = 0;
  PoolAxis height = {}, width = {};
};
template <class T>
CallPtr make_window_call(const kernels::Kernels<T>& k, const WindowSpec& spec);

// Of each matrix of a (..., rows, n), with right-hand sides b (..., n, columns) where the kind has them.
struct LinalgSpec {
  OpKind kind = OpKind::cholesky;
  int out = -1, a = -1, b = -1;
  Dim n = 0, columns = 0, rows = 0;  // rows: n, but for qr
  Shape lead = {};                   // how many matrices, for messages
  std::vector<Repeated> repeated = {};
  bool lower = true, unit = false, transpose = false;
};
template <class T>
CallPtr make_linalg_call(const kernels::Kernels<T>& k, LinalgSpec spec);

// A program over its whole space, cut into lanes where its rows are theirs. program_tasks() says how many tasks, for
// the slots of its sums.
template <class T>
CallPtr make_program_call(const kernels::Kernels<T>& k, Program program, const Lanes& lanes);
Dim program_tasks(const Program& program, const Lanes& lanes);

// out (outer, inner) = sum over r of a (outer, r, inner). partials: reduce_partials doubles.
struct ReduceSpec {
  int out = -1, a = -1, partials = -1;
  Dim outer = 1, reduced = 1, inner = 1;
  Lanes lanes;
  std::optional<double> alpha = {};  // times it, as of a mean, which is exact where what it is of is all the same
  bool watched = false;              // as in MatmulSpec
};
template <class T>
CallPtr make_reduce_call(const kernels::Kernels<T>& k, const ReduceSpec& spec);
std::size_t reduce_partials(const ReduceSpec& spec);

// out (elements) = parts (count, elements), added in order.
struct AddSpec {
  int out = -1, parts = -1;
  Dim count = 0, elements = 0;
  bool watched = false;  // as in MatmulSpec
};
template <class T>
CallPtr make_add_call(const kernels::Kernels<T>& k, const AddSpec& spec);

// Moves elements: out[i . out_strides + out_offset] = a[i . a_strides + a_offset] for every index i below dims.
struct CopyPart : Move {
  int a = -1;
};
struct CopySpec {
  int out = -1;
  Dim zero_elements = 0;  // how many elements of out are cleared first
  std::vector<CopyPart> parts;
};
// transpose: the kernel that does it block by block, or null.
template <class T>
using TransposeKernel = decltype(kernels::Kernels<T>::transpose);
template <class T>
CallPtr make_copy_call(CopySpec spec, TransposeKernel<T> transpose);

// Rows of gathered input `source` into value `out`, cast to its type.
struct GatherSpec {
  int out = -1, source = 0;
  DType dtype = DType::float32;
  Dim rows = 0, cols = 0;
  Lanes lanes;
};
CallPtr make_gather_call(const GatherSpec& spec);
// Whether rows of `cols` elements can be read where they are: of this type, aligned, one after the other.
bool readable_in_place(const RowSource& source, DType dtype, Dim rows, Dim cols) noexcept;
// Where the rows of this run lie, if they can be; else null.
const std::byte* rows_in_place(const GatherSpec& spec, const Context& context) noexcept;

// Rows of a table by indices: out (count, row) = table[indices]; or their sums: out (rows, row) += value, by indices.
struct RowsSpec {
  int out = -1, a = -1, indices = -1;
  Dim rows = 0, row = 0, count = 0;  // of the table, elements of a row, how many indices
  std::optional<Dim> ignore = {};    // an index that gives zeros, or is left out of the sums
  std::string who = {};
};
template <class T>
CallPtr make_take_call(const RowsSpec& spec);
template <class T>
CallPtr make_scatter_add_call(const RowsSpec& spec);

// Elements by indices along axes of `sizes` elements, as one axis: out (outer, count, inner) = a (outer, sizes, inner)
// [:, indices, :], or their sums, out (outer, sizes, inner) += a (outer, count, inner). Each index lies at
// outer * outer_stride + i * index_stride + inner * inner_stride; negative ones count from the end.
struct IndexSpec {
  int out = -1, a = -1;
  std::vector<int> indices = {};  // one for each of sizes
  std::vector<Dim> sizes = {};
  Dim outer = 1, count = 0, inner = 1;
  Dim outer_stride = 0, index_stride = 1, inner_stride = 0;
  std::string who = {};
};
template <class T>
CallPtr make_gather_elements_call(const IndexSpec& spec);
template <class T>
CallPtr make_gather_add_call(const IndexSpec& spec);

// Along the axis in the middle of a (outer, reduced, inner).
struct AxisSpec {
  int out = -1, a = -1;
  Dim outer = 1, reduced = 1, inner = 1;
  bool reverse = false;                   // of a recurrence: from the end; of argsort: descending
  int factor = -1;                        // of a recurrence, (outer, reduced, inner), or none
  Elementwise fn = Elementwise::maximum;  // of a fold: or multiply
  int partials = -1;                      // of a fold: fold_partials elements
};
// out (outer, inner) = fn over the elements of a line.
template <class T>
CallPtr make_fold_call(const kernels::Kernels<T>& k, const AxisSpec& spec);
std::size_t fold_partials(const AxisSpec& spec);
// out (outer, inner), int32: where the greatest of a line is, the first of several.
template <class T>
CallPtr make_argmax_call(const kernels::Kernels<T>& k, const AxisSpec& spec);
// out (outer, reduced, inner), int32: the order of a line.
template <class T>
CallPtr make_argsort_call(const AxisSpec& spec);
// out, as a: each is a plus the one before, which is multiplied by the factor.
template <class T>
CallPtr make_recurrence_call(const AxisSpec& spec);

// A value of floats stored as bfloat16, or as int8 with scales before it, and back.
struct NarrowSpec {
  int out = -1, a = -1;
  Dim elements = 0;
  ElementType type = ElementType::bfloat16;
};
std::size_t narrow_bytes(Dim elements, ElementType type);
CallPtr make_narrow_call(const kernels::Kernels<float>& k, const NarrowSpec& spec);
CallPtr make_widen_call(const kernels::Kernels<float>& k, const NarrowSpec& spec);

// Values that go where they are kept, when everything before is done.
struct AssignSpec {
  struct Part {
    int to = -1, from = -1;
    std::size_t bytes = 0;
    DType dtype = DType::float32;
  };
  std::vector<Part> parts;
  Phase phase = Phase::update;
  int norm = -1;  // of the gradient; where it is not finite, nothing is written
};
CallPtr make_assign_call(AssignSpec spec);

// A function of the host program, on whole arrays.
struct HostSpec {
  struct Input {
    int value = -1;
    DType dtype = DType::float32;
    Shape shape;
  };
  std::shared_ptr<const HostFunction> function;
  int out = -1;
  DType dtype = DType::float32;
  Shape shape;
  std::vector<Input> inputs;
};
CallPtr make_host_call(HostSpec spec);

// Notes in the context where a gradient is not ordinary.
struct WatchSpec {
  struct Part {
    int value = -1;
    Dim elements = 0;
    Dim times = 1;  // how many of them may be added up
  };
  std::vector<Part> parts;
};
template <class T>
CallPtr make_watch_call(const kernels::Kernels<T>& k, const WatchSpec& spec);

// A run of the flat buffers that is updated with one entry of the settings.
struct Segment {
  Dim begin = 0, end = 0;  // elements
  int settings = 0;
  bool operator==(const Segment&) const = default;
};
// How sweeps over segments are cut into tasks: none crosses a segment. 256 KiB of four float32 streams, within L2.
inline constexpr Dim kUpdateElements = 16384;
std::vector<Segment> cut_segments(const std::vector<Segment>& segments);

// Elements of the flat layout, whose weights and gradients lie at the beginning of two values.
struct Stretch {
  Dim begin = 0, end = 0;
  int weight = -1, grad = -1;
};
// Calls f(stretch, begin, end) for what of [begin, end) lies in each stretch.
template <class F>
void each_stretch(const std::vector<Stretch>& stretches, Dim begin, Dim end, F f) {
  for (const Stretch& stretch : stretches) {
    const Dim from = std::max(begin, stretch.begin), to = std::min(end, stretch.end);
    if (from < to) f(stretch, from, to);
  }
}

// One sweep of an update kernel over the flat layout; `slots` are values of all of it.
struct UpdateSpec {
  kernels::UpdateRule rule = kernels::UpdateRule::sgd;
  std::string name;
  std::vector<Stretch> stretches = {};
  std::array<int, 3> slots = {-1, -1, -1};  // the rule's state
  int norm = -1;                            // of the gradient; where it is not finite, nothing is updated
  std::optional<double> limit = {};         // of what clipping leaves of a gradient
  bool looks = false;                       // at the gradient itself, whether it is ordinary: nobody else notes it
  std::vector<Segment> segments = {};
};
template <class T>
CallPtr make_update_call(const kernels::Kernels<T>& k, const UpdateSpec& spec);

// A step of an update kernel into other memory: the weight and, behind it, its slots.
struct ApplySpec {
  struct Part {
    int from = -1;
    int to = -1;  // none where nobody asks for it
  };
  std::shared_ptr<const UpdateStep> step;
  int grad = -1, numbers = -1, factor = -1;
  Dim elements = 0;
  std::vector<Part> parts = {};
};
template <class T>
CallPtr make_apply_call(const kernels::Kernels<T>& k, ApplySpec spec);

// The rows of a table that some lookups name, updated with the sums of their gradients. order: 8 bytes per index.
struct RowsUpdateSpec {
  struct Part {
    int indices = -1, grad = -1;
    Dim count = 0;
    std::optional<Dim> ignore = {};
  };
  kernels::UpdateRule rule = kernels::UpdateRule::sgd;
  std::string name = {};
  int settings = 0;
  int weight = -1, order = -1;
  std::array<int, 3> slots = {-1, -1, -1};
  Dim rows = 0, row = 0, count = 0;  // of the table, elements of a row, indices of all parts
  std::vector<Part> parts = {};
};
CallPtr make_sort_rows_call(const RowsUpdateSpec& spec);
template <class T>
CallPtr make_rows_update_call(const kernels::Kernels<T>& k, const RowsUpdateSpec& spec);

// The gradient clamped into [-clip_value, clip_value], then measured: its Euclidean norm, one double. partials: a
// double for each of cut_segments.
struct ClipSpec {
  std::vector<Stretch> stretches = {};
  int norm = -1, partials = -1;
  double clip_norm = 0, clip_value = 0;  // infinite where nothing is clipped
  std::vector<Segment> segments = {};
};
template <class T>
CallPtr make_measure_call(const kernels::Kernels<T>& k, const ClipSpec& spec);
// And scaled so that its norm is at most clip_norm (Pascanu et al. 2013).
template <class T>
CallPtr make_scale_call(const kernels::Kernels<T>& k, const ClipSpec& spec);

}  // namespace backpass
