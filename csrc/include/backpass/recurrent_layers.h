// Recurrent layers: descriptions that layers.h lists.
#pragma once

#include "backpass/fields.h"
#include "backpass/graph.h"

namespace backpass {

class Layer;
class LayerContext;

// What recurrent layers share. Parameters by layer and direction, as PyTorch names them: weight_ih_l0 (gates H, in),
// weight_hh_l0 (gates H, H), bias_ih_l0, bias_hh_l0 (gates H); weight_ih_l0_reverse, ..., weight_ih_l1, ...
struct RecurrentSettings {
  Dim hidden_size = 0;         // H
  Dim num_layers = 1;          // one above the other
  bool bidirectional = false;  // a second one in each layer that begins at the end; features side by side
  double dropout = 0;          // behind every layer but the last
  bool bias = true;
  bool return_sequences = true;  // (batch, steps, H), else the last states (batch, H)
  bool return_state = false;     // all final states behind that: see with_states
  bool go_backwards = false;     // the first direction begins at the end; outputs stand where their inputs do
  Initializer weight_init = "";  // "": uniform within 1 / sqrt(H), as all of them
  Initializer recurrent_init = "";
  Initializer bias_init = "";
};

// Each takes x (batch, steps, in) and, as further inputs or not, first states (batch, num_layers directions, H), of an
// LSTM cell states likewise, and lengths (batch) int32: beyond its length a row gives zeros and keeps its states, and
// from there a walk from the end begins. Throw std::invalid_argument where settings do not fit each other or the
// inputs.

// h' = f(W x + b + R h + b').
struct RNN : RecurrentSettings {
  std::string nonlinearity = "tanh";  // or "relu"

  std::string type() const { return "RNN"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const;
};

// Gates i f g o (Hochreiter and Schmidhuber 1997; Gers et al. 2000): c' = f c + i g, h' = o tanh(c').
struct LSTM : RecurrentSettings {
  std::string type() const { return "LSTM"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const;
};

// Gates r z n (Cho et al. 2014): h' = (1 - z) n + z h, n = tanh(W x + b + r (R h + b')); without reset_after, as in the
// article, n = tanh(W x + b + R (r h) + b').
struct GRU : RecurrentSettings {
  bool reset_after = true;

  std::string type() const { return "GRU"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const;
};

// One step: x (batch, in) and the states before it (batch, H), or zeros. Parameters weight_ih, weight_hh, bias_ih,
// bias_hh.
struct CellSettings {
  Dim hidden_size = 0;
  bool bias = true;
  Initializer weight_init = "";
  Initializer recurrent_init = "";
  Initializer bias_init = "";
};

struct RNNCell : CellSettings {
  std::string nonlinearity = "tanh";

  std::string type() const { return "RNNCell"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const;
};

// The new states side by side, (batch, 2 H): h, then c.
struct LSTMCell : CellSettings {
  std::string type() const { return "LSTMCell"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const;
};

struct GRUCell : CellSettings {
  bool reset_after = true;

  std::string type() const { return "GRUCell"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const;
};

// Calls a layer that has return_state: its output, the final states (batch, num_layers directions, H), those of one
// layer's directions side by side; of an LSTM then the cell states. Of an LSTMCell: h and c. Throws
// std::invalid_argument where the layer gives no states.
std::vector<Tensor> with_states(const Layer& layer, const std::vector<Tensor>& xs, const std::string& name = "");

}  // namespace backpass
