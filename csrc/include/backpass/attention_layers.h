// Layers of attention: descriptions that layers.h lists.
#pragma once

#include "backpass/attention.h"
#include "backpass/fields.h"

namespace backpass {

class LayerContext;

// Attention by `num_heads` heads (Vaswani et al. 2017, section 3.2.2), called on sequences (batch, time, features): one
// that looks at itself; or queries and what they look at; or queries, keys and values. Behind them may stand lengths
// int32 (batch), and which keys to keep: (batch, keys), or (batch or 1, num_heads or 1, queries, keys), see Attention.
// The output has as many features as the queries, which num_heads divides. Parameters are PyTorch's: in_proj_weight and
// in_proj_bias, or q_proj_weight, k_proj_weight and v_proj_weight where features differ; out_proj.weight,
// out_proj.bias.
struct MultiheadAttention {
  Dim num_heads = 0;
  bool causal = false;
  double dropout = 0;  // of attention weights
  bool bias = true;
  bool rotary = false;  // queries and keys turned by their times: see rotary()

  std::string type() const { return "MultiheadAttention"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const;
};

// x (batch, time, features) plus a row for each time: sinusoidal_positions(), or the parameter `weight`
// (time, features) where they are learned; then dropout.
struct PositionalEncoding {
  bool learned = false;
  double dropout = 0;

  std::string type() const { return "PositionalEncoding"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// A block of a transformer (Vaswani et al. 2017, section 3.1): attention of a sequence to itself, in a decoder also to
// a second one, the memory, and two dense layers, each beside the identity and with a LayerNorm behind the sum, or
// before the part with `norm_first`. Called on x, in a decoder on x and memory; behind them may stand lengths and
// which keys to keep, as of MultiheadAttention, in a decoder those of the memory. Names of parameters are PyTorch's.
template <bool decodes>
struct TransformerLayer {
  Dim num_heads = 0;
  Dim dim_feedforward = 2048;
  double dropout = 0.1;
  std::string activation = "relu";
  bool norm_first = false;
  bool causal = decodes;  // the attention of x to itself
  bool rotary = false;
  double layer_norm_eps = 1e-5;

  std::string type() const { return decodes ? "TransformerDecoderLayer" : "TransformerEncoderLayer"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const;
};
using TransformerEncoderLayer = TransformerLayer<false>;
using TransformerDecoderLayer = TransformerLayer<true>;

// So many of these blocks one after the other, and a LayerNorm behind them with `norm`. Names of parameters begin with
// "layers.0", "layers.1", ... and "norm".
template <bool decodes>
struct TransformerStack {
  Dim num_layers = 0;
  TransformerLayer<decodes> layer = {};
  bool norm = false;

  std::string type() const { return decodes ? "TransformerDecoder" : "TransformerEncoder"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const;
};
using TransformerEncoder = TransformerStack<false>;
using TransformerDecoder = TransformerStack<true>;

}  // namespace backpass
