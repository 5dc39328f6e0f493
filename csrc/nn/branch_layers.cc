// Layers that take rows of a table, and that bring branches together.
#include "backpass/layers.h"
#include "base/error.h"
#include "graph/op.h"

namespace backpass {

Fields Embedding::fields() {
  return {{"num_embeddings", &num_embeddings, "rows of the table", kCount},
          {"embedding_dim", &embedding_dim, "numbers per row", kCount},
          {"padding_idx", &padding_idx, "an index whose row is zeros and is not trained"},
          {"sparse", &sparse, "whether the gradient is kept by rows"},
          {"weight_init", &weight_init, "how the table starts"}};
}

Tensor Embedding::build(LayerContext& context, const Tensor& indices) const {
  if (padding_idx && (*padding_idx < 0 || *padding_idx >= num_embeddings))
    fail("Embedding", "padding_idx must be in [0, ", num_embeddings, "), got ", *padding_idx);
  if (indices.dtype() != DType::int32)
    fail("Embedding", "takes integers: an input of dtype int32, got ", name(indices.dtype()));
  const Tensor weight = context.parameter("weight", {num_embeddings, embedding_dim}, weight_init, sparse);
  return take_for("Embedding", weight, indices, padding_idx);
}

Tensor Flatten::build(LayerContext&, const Tensor& x) const {
  if (x.shape().empty() || x.shape()[0] != kBatch)
    fail("Flatten", "needs the batch as first dimension, got ", to_string(x.shape()));
  return reshape(x, {kBatch, element_count(Shape(x.shape().begin() + 1, x.shape().end()))});
}

Fields Concat::fields() { return {{"axis", &axis, "along which"}}; }

Tensor Concat::build(LayerContext&, const std::vector<Tensor>& xs) const { return concat(xs, axis); }

Tensor Add::build(LayerContext&, const std::vector<Tensor>& xs) const {
  if (xs.empty()) fail("Add", "needs at least one input");
  Tensor y = xs[0];
  for (std::size_t i = 1; i < xs.size(); ++i) y = y + xs[i];
  return y;
}

Tensor Multiply::build(LayerContext&, const std::vector<Tensor>& xs) const {
  if (xs.empty()) fail("Multiply", "needs at least one input");
  Tensor y = xs[0];
  for (std::size_t i = 1; i < xs.size(); ++i) y = y * xs[i];
  return y;
}

}  // namespace backpass
