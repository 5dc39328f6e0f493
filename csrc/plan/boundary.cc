// Arrays at the boundary of plans: what is checked of them.
#include "plan/boundary.h"

#include "base/convert.h"
#include "base/error.h"
#include "graph/op.h"
#include "kernels/dispatch.h"
#include "plan/workers/sharing.h"
#include "plan/workspace.h"

namespace backpass {

PlanKey plan_key(Dim batch, int variant, int freezes, std::uint64_t owner, std::uint64_t form) {
  return {batch, variant, freezes, owner, form, kernels::current_isa(), sharing_cut_is_on()};
}

RowSource row_source(const ArrayView& view) {
  return {static_cast<const std::byte*>(view.data), view.type, view.row_stride};
}

namespace {

// What probably happened to an array of another shape, and the shape that it should have.
std::string cure(const Shape& got, const Shape& expected) {
  const bool by_rows = !expected.empty() && expected[0] == kBatch;
  if (!by_rows || got.empty()) return "";
  const Shape row(expected.begin() + 1, expected.end());
  if (got == row) return "; one row alone has shape " + to_string(with_rows(expected, 1));
  if (got.size() == 1 && row == Shape{1})
    return "; one number for each row has shape " + to_string(with_rows(expected, got[0]));
  if (got.size() > 2 && row.size() == 1 && element_count(Shape(got.begin() + 1, got.end())) == row[0])
    return "; Flatten() as first layer, or shape " + to_string(with_rows(expected, got[0])) + ", makes one row of each";
  return "";
}

}  // namespace

void check_present(const std::string& who, const ArrayView& view) {
  if (view.empty() && element_count(view.shape) > 0) fail(who, "has no data for its shape ", to_string(view.shape));
}

Dim check_shape(const std::string& who, const ArrayView& view, const Shape& expected, const std::string& whom) {
  bool fits = view.shape.size() == expected.size();
  for (std::size_t i = 0; fits && i < expected.size(); ++i)
    fits = expected[i] == kBatch || view.shape[i] == expected[i];
  if (!fits)
    fail(who, "expected shape ", to_string(expected), ", got ", to_string(view.shape), whom.empty() ? "" : ", for ",
         whom, cure(view.shape, expected));
  check_present(who, view);
  return view.shape.empty() ? 1 : view.shape[0];
}

Dim first_too_large(const ArrayView& view, DType dtype) {
  const Dim rows = view.shape.empty() ? 1 : view.shape[0], cols = rows > 0 ? element_count(view.shape) / rows : 0;
  for (Dim row = 0; row < rows; ++row)
    if (overflows(static_cast<const std::byte*>(view.data) + row * view.row_stride, view.type, dtype, cols)) return row;
  return -1;
}

void check_castable(const std::string& who, const ArrayView& view, DType dtype) {
  if (view.empty()) return;
  if (dtype == DType::int32 && !is_integer(view.type) && view.type != ElementType::boolean)
    fail(who, "must hold integers");
  if (const Dim row = first_too_large(view, dtype); row >= 0)
    fail(who, "has a value in row ", row, " that is too large for ", name(dtype));
}

}  // namespace backpass
