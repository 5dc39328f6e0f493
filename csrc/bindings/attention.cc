// Functions of tensors: attention, and positions.
#include "backpass/attention.h"

#include "axes.h"
#include "bindings.h"
#include "operand.h"

namespace backpass::python {
namespace {

using MaybeOperand = std::optional<Operand>;

Tensor beside(const MaybeOperand& x, const Tensor& q) { return x ? as_tensor(*x, q) : Tensor(); }

}  // namespace

void bind_attention(py::module_& m) {
  m.def(
      "attention",
      [](const Operand& q, const Operand& k, const Operand& v, bool causal, const py::object& lengths,
         const MaybeOperand& keep, const MaybeOperand& bias, const std::optional<double>& scale, double dropout) {
        const std::vector<Tensor> qkv = tensors_of("attention", {q, k, v});
        if (scale && *scale == 0) throw py::value_error("[attention] scale must not be 0; None is 1 / sqrt(features)");
        return attention(qkv[0], qkv[1], qkv[2],
                         {causal, lengths.is_none() ? Tensor() : to_indices(lengths, "attention"), beside(keep, qkv[0]),
                          beside(bias, qkv[0]), scale.value_or(0), dropout});
      },
      py::arg("q"), py::arg("k"), py::arg("v"), py::kw_only(), py::arg("causal") = false,
      py::arg("lengths") = py::none(), py::arg("keep") = py::none(), py::arg("bias") = py::none(),
      py::arg("scale") = py::none(), py::arg("dropout") = 0.0,
      documented(
          "attention",
          "softmax(q kᵀ scale + bias) v (Vaswani et al. 2017, equation 1), over the keys that count: q (..., "
          "queries,\n"
          "features), k (..., keys, features), v (..., keys, values) give (..., queries, values), and leading\n"
          "dimensions broadcast. `causal`: query i looks at keys up to i. `lengths`, int32 (batch): of keys, so "
          "many\n"
          "count. `keep`: keys count where it is not 0; `bias` is added to the scores, and -inf takes a key out; "
          "both\n"
          "broadcast to (..., queries, keys). `scale` None is 1 / sqrt(features). Weights are dropped with "
          "probability\n"
          "`dropout` in training. A query that may look at no key gives zeros, and no gradient. It is what PyTorch "
          "calls\n"
          "scaled_dot_product_attention and JAX dot_product_attention. Shapes that do not fit are a ValueError.")
          .c_str());
  m.def(
      "rotary", &rotary, py::arg("x"), py::arg("base") = 10000.0, py::arg("offset") = 0,
      documented("rotary",
                 "x (..., time, features) with each pair of features (i, i + features / 2) turned by an angle of\n"
                 "time * base^(-2 i / features), so that products of rows depend on how far apart they are (Su et al. "
                 "2021;\n"
                 "pairs are those of GPT-NeoX). The first row is at time `offset`. An odd number of features is a "
                 "ValueError.")
          .c_str());
}

}  // namespace backpass::python
