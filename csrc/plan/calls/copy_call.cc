// Calls that move elements: transpose, slice, pad, concat, broadcast; and gathering rows with a cast.
#include <algorithm>
#include <cstring>
#include <sstream>

#include "base/convert.h"
#include "plan/calls/calls.h"

namespace backpass {
namespace {

constexpr Dim kCopyElements = 16384;  // per task

// Along an axis as short, a block is not worth a transposition.
constexpr Dim kLeastSide = 4;

// Leaves one axis at least, none of one element beside others, and joins neighbours that both sides walk as one.
void join_axes(CopyPart& part) {
  CopyPart joined{{{1}, {0}, {0}, part.out_offset, part.a_offset}, part.a};
  for (std::size_t i = 0; i < part.dims.size(); ++i) {
    const Dim n = part.dims[i], so = part.out_strides[i], sa = part.a_strides[i];
    if (n == 1) continue;
    if (joined.dims.back() == 1 || (joined.out_strides.back() == so * n && joined.a_strides.back() == sa * n)) {
      joined.dims.back() *= n;
      joined.out_strides.back() = so;
      joined.a_strides.back() = sa;
      continue;
    }
    joined.dims.push_back(n);
    joined.out_strides.push_back(so);
    joined.a_strides.push_back(sa);
  }
  part = std::move(joined);
}

void swap_axes(CopyPart& part, std::size_t i, std::size_t j) {
  for (std::vector<Dim>* list : {&part.dims, &part.out_strides, &part.a_strides}) std::swap((*list)[i], (*list)[j]);
}

// Of a part whose last axis lies side by side in the result alone, and another in the operand: that one becomes the
// last but one. Then both are a matrix to transpose.
bool ends_in_transposition(CopyPart& part) {
  const std::size_t last = part.dims.size() - 1;
  const auto other = std::ranges::find(part.a_strides, 1);
  const std::size_t at = static_cast<std::size_t>(other - part.a_strides.begin());
  if (part.out_strides[last] != 1 || at >= last || std::min(part.dims[at], part.dims[last]) < kLeastSide) return false;
  swap_axes(part, at, last - 1);
  return true;
}

template <class T>
class CopyCall final : public Call {
 public:
  CopyCall(CopySpec spec, TransposeKernel<T> transpose) : transpose_(transpose), s_(std::move(spec)) {
    name = "copy";
    writes = {s_.out};
    tasks = 0;
    for (CopyPart& part : s_.parts) {
      join_axes(part);
      const bool transposes = transpose_ && ends_in_transposition(part);
      reads.push_back(part.a);
      const Dim elements = element_count(Shape(part.dims.begin(), part.dims.end()));
      const Dim each = std::max<Dim>(1, elements / std::max<Dim>(1, part.dims[0]));
      const Dim rows = s_.zero_elements > 0 ? part.dims[0] : std::max<Dim>(1, kCopyElements / each);
      pieces_.push_back({tasks, std::max<Dim>(1, rows), transposes});
      if (s_.zero_elements == 0) tasks += std::max<Dim>(1, ceil_div(part.dims[0], rows));
      bytes += 2.0 * sizeof(T) * static_cast<double>(elements);
    }
    tasks = std::max<Dim>(1, tasks);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / 4;
  }

  // What is cleared first is one task's; else each takes some rows of a part.
  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    T* out = reinterpret_cast<T*>(context.address[s_.out]);
    std::fill_n(out, s_.zero_elements, T(0));
    for (std::size_t i = 0; i < s_.parts.size(); ++i) {
      const CopyPart& part = s_.parts[i];
      const Dim begin = (task - pieces_[i].first_task) * pieces_[i].rows;
      if (begin < 0 || begin >= part.dims[0]) continue;
      const T* a = reinterpret_cast<const T*>(context.address[part.a]) + part.a_offset + begin * part.a_strides[0];
      copy(out + part.out_offset + begin * part.out_strides[0], a, i, 0,
           std::min(pieces_[i].rows, part.dims[0] - begin));
    }
  }

 private:
  struct Piece {
    Dim first_task, rows;  // of a part; rows of a task
    bool transposes;       // the last two axes
  };

  // The first n along `axis` of part i.
  void copy(T* out, const T* a, std::size_t i, std::size_t axis, Dim n) const noexcept {
    const CopyPart& part = s_.parts[i];
    const Dim so = part.out_strides[axis], sa = part.a_strides[axis];
    const std::size_t left = part.dims.size() - 1 - axis;
    if (left == 1 && pieces_[i].transposes)
      return transpose_(out, so, a, part.a_strides[axis + 1], part.dims[axis + 1], n);
    if (left > 0) {
      for (Dim j = 0; j < n; ++j) copy(out + j * so, a + j * sa, i, axis + 1, part.dims[axis + 1]);
    } else if (so == 1 && sa == 1) {
      std::copy_n(a, n, out);
    } else {
      for (Dim j = 0; j < n; ++j) out[j * so] = a[j * sa];
    }
  }

  TransposeKernel<T> transpose_;
  CopySpec s_;
  std::vector<Piece> pieces_;  // by part
};

constexpr Dim kGatherElements = 16384;  // per task

// Rows i, i + 1, ... up to here follow each other in the source.
Dim end_of_run(const std::int64_t* rows, Dim i, Dim end) noexcept {
  if (!rows) return end;
  for (++i; i < end && rows[i] == rows[i - 1] + 1;) ++i;
  return i;
}

const std::byte* first_row(const RowSource& source, const Context& context) noexcept {
  return source.data + (context.rows ? context.rows[0] * source.row_stride : 0);
}

class GatherCall final : public Call {
 public:
  explicit GatherCall(const GatherSpec& spec)
      : s_(spec), rows_per_task_(std::max<Dim>(1, kGatherElements / std::max<Dim>(1, s_.cols))) {
    in_lanes = static_cast<bool>(s_.lanes);
    name = "gather";
    std::ostringstream text;
    text << '(' << s_.rows << ", " << s_.cols << ") " << backpass::name(s_.dtype);
    detail = text.str();
    tasks = in_lanes ? s_.lanes.count : std::max<Dim>(1, ceil_div(s_.rows, rows_per_task_));
    writes = by_rows = {s_.out};
    bytes = 2.0 * static_cast<double>(size_of(s_.dtype)) * static_cast<double>(s_.rows * s_.cols);
    cost = kNanosecondsPerCall * static_cast<double>(tasks) + bytes / kBytesPerNanosecond;
  }

  void run(const Context& context, Dim task, std::byte*) const noexcept override {
    const RowSource& source = context.sources[s_.source];
    const Dim begin = in_lanes ? s_.lanes.begin(task) : task * rows_per_task_;
    const Dim end = in_lanes ? s_.lanes.begin(task + 1) : std::min(s_.rows, begin + rows_per_task_);
    std::byte* out = context.address[s_.out];
    if (begin >= end || out == first_row(source, context)) return;  // they are read where they are
    const std::size_t row_bytes = static_cast<std::size_t>(s_.cols) * size_of(s_.dtype);
    const bool dense = source.row_stride == s_.cols * static_cast<Dim>(size_of(source.type));
    for (Dim i = begin, next; i < end; i = next) {
      const std::int64_t row = context.rows ? context.rows[i] : i;
      next = dense ? end_of_run(context.rows, i, end) : i + 1;
      convert(out + static_cast<std::size_t>(i) * row_bytes, s_.dtype, source.data + row * source.row_stride,
              source.type, (next - i) * s_.cols);
    }
  }

 private:
  GatherSpec s_;
  Dim rows_per_task_;
};

}  // namespace

template <class T>
CallPtr make_copy_call(CopySpec spec, TransposeKernel<T> transpose) {
  return std::make_unique<CopyCall<T>>(std::move(spec), transpose);
}

CallPtr make_gather_call(const GatherSpec& spec) { return std::make_unique<GatherCall>(spec); }

bool readable_in_place(const RowSource& source, DType dtype, Dim rows, Dim cols) noexcept {
  const std::size_t size = size_of(dtype);
  return source.type == element_type(dtype) && (rows <= 1 || source.row_stride == cols * static_cast<Dim>(size)) &&
         (reinterpret_cast<std::uintptr_t>(source.data) & (size - 1)) == 0;
}

const std::byte* rows_in_place(const GatherSpec& spec, const Context& context) noexcept {
  if (spec.rows == 0) return nullptr;
  RowSource source = context.sources[spec.source];
  source.data = first_row(source, context);
  const bool lies_so = readable_in_place(source, spec.dtype, spec.rows, spec.cols) &&
                       end_of_run(context.rows, 0, spec.rows) == spec.rows;
  return lies_so ? source.data : nullptr;
}

template CallPtr make_copy_call<float>(CopySpec, TransposeKernel<float>);
template CallPtr make_copy_call<double>(CopySpec, TransposeKernel<double>);
template CallPtr make_copy_call<std::int32_t>(CopySpec, TransposeKernel<std::int32_t>);

}  // namespace backpass
