// Layers of attention.
#include "backpass/layers.h"
#include "base/error.h"
#include "nn/activation.h"
#include "nn/norms.h"

namespace backpass {
namespace {

// What a layer of attention is called with.
struct Sequences {
  std::vector<Tensor> xs;  // (batch, time, features)
  Tensor lengths, keep;
};

Sequences sequences_of(const std::string& who, const std::vector<Tensor>& given, std::size_t least, std::size_t most) {
  Sequences found;
  for (const Tensor& x : given) {
    const std::size_t rank = x.shape().size();
    if (rank == 1 && x.dtype() == DType::int32 && !found.lengths)
      found.lengths = x;
    else if (rank == 2 && !found.keep)
      found.keep = reshape(x, {x.shape()[0], 1, 1, x.shape()[1]});
    else if (rank == 4 && !found.keep)
      found.keep = x;
    else if (rank == 3 && x.dtype() != DType::int32)
      found.xs.push_back(x);
    else
      fail(who,
           "takes sequences (batch, time, features), then lengths int32 (batch) and which keys to keep (batch, keys) "
           "or (batch, "
           "heads, queries, keys), got ",
           name(x.dtype()), " ", to_string(x.shape()));
  }
  if (found.xs.size() < least || found.xs.size() > most)
    fail(who, "takes ", least, least == most ? "" : " to " + std::to_string(most),
         " sequences (batch, time, features), got ", found.xs.size());
  return found;
}

Dim features(const Tensor& x) { return x.shape().back(); }

// One part of a layer: its parameters have names that begin alike.
struct Part {
  LayerContext& context;
  std::string prefix;

  Tensor parameter(const std::string& name, const Shape& shape, const Initializer& initializer) const {
    return context.parameter(prefix + name, shape, initializer);
  }
  Part part(const std::string& name) const { return {context, prefix + name + "."}; }
  Tensor dense(const Tensor& x, Dim units, bool bias) const {
    const Tensor y = matmul(x, parameter("weight", {units, features(x)}, ""), false, true);
    return bias ? y + parameter("bias", {units}, "zeros") : y;
  }
  Tensor layer_norm(const Tensor& x, double eps) const {
    const Tensor y = normalized(x, eps) * parameter("weight", {features(x)}, "ones");
    return y + parameter("bias", {features(x)}, "zeros");
  }
};

constexpr const char* kHeads = "how many heads look, each by its part of the features";
constexpr const char* kCausal = "whether nothing looks ahead";
constexpr const char* kRotary = "whether queries and keys are turned by their times";

// (batch, heads, time, features / heads).
Tensor heads_of(const Tensor& x, Dim heads) {
  return transpose(reshape(x, {x.shape()[0], x.shape()[1], heads, features(x) / heads}), {0, 2, 1, 3});
}

// Queries, keys and values in one product where they are of one sequence.
std::vector<Tensor> projected(const Part& part, const std::vector<Tensor>& xs, bool bias) {
  const Tensor &q = xs[0], &k = xs.size() > 1 ? xs[1] : q, &v = xs.size() > 2 ? xs[2] : k;
  const Dim width = features(q);
  const bool alike = features(k) == width && features(v) == width;
  const Tensor packed = alike ? part.parameter("in_proj_weight", {3 * width, width}, "glorot_uniform") : Tensor();
  const Tensor added = bias ? part.parameter("in_proj_bias", {3 * width}, "zeros") : Tensor();
  const auto rows = [&](const Tensor& of, Dim begin, Dim end) { return slice(of, 0, begin * width, end * width); };
  const auto product = [&](const Tensor& x, const Tensor& weight, Dim begin, Dim end) {
    const Tensor y = matmul(x, weight, false, true);
    return bias ? y + (begin == 0 && end == 3 ? added : rows(added, begin, end)) : y;
  };
  if (alike && xs.size() == 1) return split(product(q, packed, 0, 3), 3, -1);
  if (alike && xs.size() == 2) {
    const std::vector<Tensor> both = split(product(k, rows(packed, 1, 3), 1, 3), 2, -1);
    return {product(q, rows(packed, 0, 1), 0, 1), both[0], both[1]};
  }
  std::vector<Tensor> made;
  const char* names[] = {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
  Dim at = 0;
  for (const Tensor& x : {q, k, v}) {
    const Tensor weight =
        alike ? rows(packed, at, at + 1) : part.parameter(names[at], {width, features(x)}, "glorot_uniform");
    made.push_back(product(x, weight, at, at + 1));
    ++at;
  }
  return made;
}

Tensor attended(const MultiheadAttention& layer, const std::string& who, const Part& part, const Sequences& given) {
  const Dim width = features(given.xs[0]);
  if (width % layer.num_heads != 0)
    fail(who, "num_heads must divide the features of queries, got ", layer.num_heads, " for ", width);
  std::vector<Tensor> qkv = projected(part, given.xs, layer.bias);
  for (Tensor& x : qkv) x = heads_of(x, layer.num_heads);
  if (layer.rotary)
    for (std::size_t i = 0; i < 2; ++i) qkv[i] = rotary(qkv[i]);
  const Attention settings{
      .causal = layer.causal, .lengths = given.lengths, .keep = given.keep, .dropout = layer.dropout};
  const Tensor y = transpose(attention(qkv[0], qkv[1], qkv[2], settings), {0, 2, 1, 3});
  const Tensor joined = reshape(y, {y.shape()[0], y.shape()[1], width});
  return part.part("out_proj").dense(joined, width, layer.bias);
}

// What blocks share: a part of them beside the identity.
template <class F>
Tensor beside(const Part& norm, const Tensor& x, bool norm_first, double eps, F f) {
  return norm_first ? x + f(norm.layer_norm(x, eps)) : norm.layer_norm(x + f(x), eps);
}

template <bool decodes>
Tensor block(const TransformerLayer<decodes>& layer, const Part& part, const Sequences& given) {
  const std::string who = layer.type();
  const auto dropped = [&](const Tensor& y) { return layer.dropout > 0 ? dropout(y, layer.dropout) : y; };
  const auto add = [&](const char* norm, const Tensor& x, auto f) {
    return beside(part.part(norm), x, layer.norm_first, layer.layer_norm_eps, f);
  };
  // Lengths and masks are of what is looked at from outside: of x itself, or in a decoder of the memory.
  const MultiheadAttention own{layer.num_heads, layer.causal, layer.dropout, true, layer.rotary};
  Tensor x = add("norm1", given.xs[0], [&](const Tensor& z) {
    Sequences itself{{z}, {}, {}};
    if (!decodes) itself.lengths = given.lengths, itself.keep = given.keep;
    return dropped(attended(own, who, part.part("self_attn"), itself));
  });
  if constexpr (decodes) {
    const MultiheadAttention outer{.num_heads = layer.num_heads, .dropout = layer.dropout};
    x = add("norm2", x, [&](const Tensor& z) {
      return dropped(attended(outer, who, part.part("multihead_attn"), {{z, given.xs[1]}, given.lengths, given.keep}));
    });
  }
  const ActivationFunction activation = find_activation(layer.activation);
  if (!activation) fail(who, "unknown activation \"", layer.activation, "\"; there are ", activation_names());
  return add(decodes ? "norm3" : "norm2", x, [&](const Tensor& z) {
    const Tensor inner = activation(part.part("linear1").dense(z, layer.dim_feedforward, true));
    return dropped(part.part("linear2").dense(dropped(inner), features(z), true));
  });
}

}  // namespace

Fields MultiheadAttention::fields() {
  return {{"num_heads", &num_heads, kHeads, kCount},
          {"causal", &causal, kCausal},
          {"dropout", &dropout, "how likely each attention weight is dropped", kBelowOne},
          {"bias", &bias, "whether there are biases"},
          {"rotary", &rotary, kRotary}};
}

Tensor MultiheadAttention::build(LayerContext& context, const std::vector<Tensor>& xs) const {
  return attended(*this, type(), {context, ""}, sequences_of(type(), xs, 1, 3));
}

Fields PositionalEncoding::fields() {
  return {{"learned", &learned, "whether the rows are a parameter"},
          {"dropout", &dropout, "how likely each element of the sum is dropped", kBelowOne}};
}

Tensor PositionalEncoding::build(LayerContext& context, const Tensor& x) const {
  if (x.shape().size() != 3 || x.dtype() == DType::int32)
    fail(type(), "takes a real sequence (batch, time, features), got ", to_string(x.shape()));
  const Dim time = x.shape()[1];
  const Tensor rows = learned ? context.parameter("weight", {time, features(x)}, {"normal", 0.02})
                              : sinusoidal_positions(time, features(x), x.dtype());
  return dropout > 0 ? backpass::dropout(x + rows, dropout) : x + rows;
}

template <bool decodes>
Fields TransformerLayer<decodes>::fields() {
  return {{"num_heads", &num_heads, kHeads, kCount},
          {"dim_feedforward", &dim_feedforward, "how many units the first dense layer has", kCount},
          {"dropout", &dropout, "how likely elements are dropped", kBelowOne},
          {"activation", &activation, "what is applied between the dense layers"},
          {"norm_first", &norm_first, "whether parts are normalized before, and not behind"},
          {"causal", &causal, kCausal},
          {"rotary", &rotary, kRotary},
          {"layer_norm_eps", &layer_norm_eps, "keeps the divisions of the norms finite", kPositive}};
}

template <bool decodes>
Tensor TransformerLayer<decodes>::build(LayerContext& context, const std::vector<Tensor>& xs) const {
  const std::size_t count = decodes ? 2 : 1;
  return block(*this, {context, ""}, sequences_of(type(), xs, count, count));
}

template <bool decodes>
Fields TransformerStack<decodes>::fields() {
  Fields all = {{"num_layers", &num_layers, "how many blocks there are", kCount}};
  for (const Field& field : layer.fields()) all.push_back(field);
  all.push_back({"norm", &norm, "whether a LayerNorm stands behind the last block"});
  return all;
}

template <bool decodes>
Tensor TransformerStack<decodes>::build(LayerContext& context, const std::vector<Tensor>& xs) const {
  const std::size_t count = decodes ? 2 : 1;
  Sequences given = sequences_of(type(), xs, count, count);
  const Part part{context, ""};
  for (Dim i = 0; i < num_layers; ++i) given.xs[0] = block(layer, part.part("layers").part(std::to_string(i)), given);
  return norm ? part.part("norm").layer_norm(given.xs[0], layer.layer_norm_eps) : given.xs[0];
}

template struct TransformerLayer<false>;
template struct TransformerLayer<true>;
template struct TransformerStack<false>;
template struct TransformerStack<true>;

}  // namespace backpass
