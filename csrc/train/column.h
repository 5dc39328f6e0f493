// Rows of one array that grow at the end, as one of our types.
#pragma once

#include "backpass/types.h"

namespace backpass {

class Column {
 public:
  Column() = default;
  explicit Column(DType dtype) : dtype_(dtype) {}

  // Rows of a view; rows: null for the first ones. All views have rows of one shape.
  void append(const ArrayView& from, const std::int64_t* rows, Dim count);
  // Writes one row over another.
  void put(Dim row, const ArrayView& from, Dim from_row);
  // As many rows as this, of zeros.
  void resize(const Shape& shape, Dim rows);
  void clear() { bytes_.clear(), rows_ = 0; }
  Dim rows() const { return rows_; }
  DType dtype() const { return dtype_; }
  ArrayView view() const;
  Array copy() const;

 private:
  DType dtype_ = DType::float32;
  Shape shape_;  // with one row
  Dim rows_ = 0;
  std::vector<std::byte> bytes_;
};

// Rows of a view as an array.
Array gather_rows(const ArrayView& from, DType dtype, const std::int64_t* rows, Dim count);
// An array of the same elements that shares no memory.
Array copy_of(const Array& array);

}  // namespace backpass
