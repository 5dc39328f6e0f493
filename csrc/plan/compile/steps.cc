// From steps along axes to layouts and views, and back.
#include "plan/compile/steps.h"

namespace backpass {

Shape dense_steps(const Shape& shape) {
  Shape steps = shape;
  Dim step = 1;
  for (std::size_t i = shape.size(); i-- > 0; step *= shape[i]) steps[i] = step;
  return steps;
}

namespace {

// Leading dimensions, from the outermost: none that could be one with the next.
void add_joined(std::vector<Repeated>& dims, Dim count, Dim step) {
  if (count == 1) return;
  if (!dims.empty() && dims.back().a == count * step)
    dims.back() = {dims.back().count * count, step};
  else
    dims.push_back({count, step});
}

// The rows of a source that is not a constant, as dimensions.
std::vector<Repeated> rows_of(const Source& source, const Space& space) {
  if (source.layout == Layout::column) return {{space.rows, 1}};
  if (source.layout != Layout::strided) return {{space.rows, source.layout == Layout::row ? 0 : space.cols}};
  std::vector<Repeated> dims = source.view.blocks;
  dims.push_back({source.view.rows, source.view.step});
  return dims;
}

}  // namespace

Source covering(const Tensor& root, const Shape& all, const Shape& steps) {
  const std::size_t leading = all.size() > 1 ? all.size() - 1 : all.size();
  const Dim cols = all.size() > 1 ? all.back() : 1;
  const bool column = cols != 1 && steps.back() == 0;
  std::vector<Repeated> dims;
  for (std::size_t i = 0; i < leading; ++i) add_joined(dims, all[i], steps[i]);
  const Dim next = column ? 1 : cols;  // where a dense row begins behind another
  if (dims.empty()) dims.push_back({1, column ? 0 : next});
  const Repeated inner = dims.back();
  if (dims.size() == 1 && inner.a == next) return {root, column ? Layout::column : Layout::full, {}, {}};
  if (dims.size() == 1 && inner.a == 0) return {root, column || cols == 1 ? Layout::scalar : Layout::row, {}, {}};
  dims.pop_back();
  return {root, Layout::strided, {}, {std::move(dims), inner.count, inner.a, column}};
}

std::optional<Shape> axis_steps(const Source& source, const Space& space, const Shape& shape) {
  const bool column = source.layout == Layout::column || source.view.column;
  std::vector<Repeated> rows = rows_of(source, space);
  Shape steps = shape;
  std::size_t leading = shape.size();
  if (shape.size() > 1) steps[--leading] = column ? 0 : 1;
  for (std::size_t i = leading; i-- > 0;) {
    if (steps[i] = 0; shape[i] == 1) continue;
    while (!rows.empty() && rows.back().count == 1) rows.pop_back();
    if (rows.empty() || rows.back().count % shape[i] != 0) return {};
    steps[i] = rows.back().a;
    rows.back() = {rows.back().count / shape[i], rows.back().a * shape[i]};
  }
  return steps;
}

bool reads_well(const Shape& shape, const Shape& steps) {
  const std::size_t row = shape.size() - 2, col = row + 1;
  const bool apart = (steps[row] != 0 || shape[row] == 1) && (steps[col] != 0 || shape[col] == 1);
  return apart && (steps[row] == 1 || steps[col] == 1);
}

}  // namespace backpass
