// Penalties as ops over parameters.
#include "train/penalty.h"

#include <cmath>

#include "base/error.h"
#include "base/glob.h"

namespace backpass {
namespace {

double checked(const char* what, double factor) {
  if (!(factor >= 0) || !std::isfinite(factor)) fail(what, "factor must be finite and not negative, got ", factor);
  return factor;
}

constexpr double kLeastSquare = 1e-30;

// Rows that weigh nothing are penalized by nothing.
Tensor by_rows(const Tensor& term, const Tensor& rows) {
  return term * (rows / maximum(square(rows), constant(kLeastSquare, {}, rows.dtype())));
}

Tensor term_of(const Penalty& penalty, const Tensor& parameter, const Tensor& rows) {
  if (!penalty.term) fail("weight_penalty", "a Penalty needs a term");
  const Tensor term = penalty.term(parameter);
  if (!term || !term.shape().empty() || term.dtype() != parameter.dtype())
    fail("weight_penalty", "must give one number of type ", name(parameter.dtype()), " for \"", parameter.name(),
         "\", got ", term ? "shape " + to_string(term.shape()) : "none");
  return penalty.per_row && rows ? by_rows(term, rows) : term;
}

}  // namespace

Penalty l1(double factor, std::string pattern, bool per_row) {
  return {std::move(pattern), [f = checked("l1", factor)](const Tensor& w) { return sum(abs(w)) * f; }, per_row};
}

Penalty l2(double factor, std::string pattern, bool per_row) {
  return {std::move(pattern), [f = checked("l2", factor)](const Tensor& w) { return sum(square(w)) * f; }, per_row};
}

Tensor penalty_of(const Network::Impl& network, const std::vector<Penalty>& penalties, const Tensor& rows) {
  Tensor total;
  for (const Penalty& penalty : penalties) {
    bool matched = false;
    for (const Tensor& parameter : network.graph.parameters()) {
      if (!matches(penalty.pattern, parameter.name())) continue;
      matched = true;
      if (parameter.op().sparse)
        fail("weight_penalty", '"', parameter.name(), "\" is sparse: only the rows that a batch names are trained");
      const Tensor term = term_of(penalty, parameter, rows);
      total = total ? total + term : term;
    }
    if (!matched) fail("weight_penalty", "patterns must match parameters, got \"", penalty.pattern, '"');
  }
  return total;
}

Tensor added_loss_of(const Network::Impl& network) {
  Tensor total;
  for (const Tensor& t : network.graph.ops())
    if (t.op().kind == OpKind::add_loss) total = total ? total + t.op().inputs[1] : t.op().inputs[1];
  return total;
}

}  // namespace backpass
