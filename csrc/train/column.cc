// Copying rows.
#include "train/column.h"

#include <cstring>

#include "base/convert.h"
#include "base/error.h"

namespace backpass {
namespace {

Shape with_first(Shape shape, Dim rows) {
  shape[0] = rows;
  return shape;
}

void copy_rows(std::byte* to, DType dtype, const ArrayView& from, const std::int64_t* rows, Dim count) {
  const Dim cols = element_count(with_first(from.shape, 1));
  const std::size_t bytes = static_cast<std::size_t>(cols) * size_of(dtype);
  for (Dim i = 0; i < count; ++i, to += bytes) {
    const std::byte* row = static_cast<const std::byte*>(from.data) + (rows ? rows[i] : i) * from.row_stride;
    if (from.type == element_type(dtype))
      std::memcpy(to, row, bytes);
    else
      convert(to, dtype, row, from.type, cols);
  }
}

}  // namespace

void Column::resize(const Shape& shape, Dim rows) {
  shape_ = with_first(shape, 1);
  rows_ = rows;
  bytes_.resize(static_cast<std::size_t>(rows * element_count(shape_)) * size_of(dtype_));
}

void Column::append(const ArrayView& from, const std::int64_t* rows, Dim count) {
  const Shape shape = with_first(from.shape, 1);
  if (rows_ > 0 && element_count(shape) != element_count(shape_))
    fail("fit", "rows of targets and predictions must keep their shape, got ", to_string(shape), " after ",
         to_string(shape_));
  const std::size_t end = bytes_.size();
  resize(from.shape, rows_ + count);
  copy_rows(bytes_.data() + end, dtype_, from, rows, count);
}

void Column::put(Dim row, const ArrayView& from, Dim from_row) {
  const std::int64_t only = from_row;
  const std::size_t bytes = bytes_.size() / static_cast<std::size_t>(rows_);
  copy_rows(bytes_.data() + static_cast<std::size_t>(row) * bytes, dtype_, from, &only, 1);
}

ArrayView Column::view() const { return {bytes_.data(), element_type(dtype_), with_first(shape_, rows_)}; }

Array Column::copy() const { return gather_rows(view(), dtype_, nullptr, rows_); }

Array gather_rows(const ArrayView& from, DType dtype, const std::int64_t* rows, Dim count) {
  Array array(dtype, with_first(from.shape, count));
  copy_rows(static_cast<std::byte*>(array.data()), dtype, from, rows, count);
  return array;
}

Array copy_of(const Array& array) {
  if (array.data() == nullptr) return {};
  Array copy(array.dtype(), array.shape());
  std::memcpy(copy.data(), array.data(), array.bytes());
  return copy;
}

}  // namespace backpass
