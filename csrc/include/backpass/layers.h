// Layers: descriptions that compose operations.
#pragma once

#include <map>

#include "backpass/attention_layers.h"
#include "backpass/fields.h"
#include "backpass/graph.h"
#include "backpass/image_layers.h"
#include "backpass/norm_layers.h"
#include "backpass/pool_layers.h"
#include "backpass/recurrent_layers.h"

namespace backpass {

struct LayerUse;  // a call of a layer (csrc/graph/op.h)

// What a layer sees while it is called.
class LayerContext {
 public:
  DType dtype() const { return dtype_; }
  // This layer's parameter of that name: made at its first call, the same one at every later call. An initializer
  // without a name is chosen by the activation that follows (see Dense). Throws std::invalid_argument where a later
  // call needs another shape or type.
  Tensor parameter(const std::string& name, const Shape& shape, const Initializer& initializer = "",
                   bool sparse = false);
  // Likewise a state, which is kept and saved but not trained; see track().
  Tensor state(const std::string& name, const Shape& shape, const Initializer& initializer = "zeros");
  // What goes into the layer's activation, for people to look at; its output where nothing is said.
  void set_z(const Tensor& z) { z_ = z; }
  // Of the layer that is called on this thread; null outside any.
  static LayerContext* current();
  static void place(LayerUse& use);  // within that call: see csrc/nn/layer_call.h

 private:
  friend class Layer;
  LayerContext(std::uint64_t layer, std::shared_ptr<void> owner, std::map<std::string, Tensor>& parameters,
               std::string type, DType dtype);
  ~LayerContext();
  Tensor kept(const std::string& name, Tensor (*make)(Shape, DType, std::string, Initializer), const Shape& shape,
              const Initializer& initializer, bool sparse);
  void keep_parameters();  // the call that this one is part of may still fail
  void drop_parameters();
  LayerContext(const LayerContext&) = delete;
  LayerContext& operator=(const LayerContext&) = delete;

  // A parameter that was made in this call, and what keeps the place where it lies.
  struct Made {
    std::shared_ptr<void> owner;
    std::map<std::string, Tensor>* parameters;
    std::string name;
  };

  std::uint64_t layer_, call_;
  std::shared_ptr<void> owner_;
  std::map<std::string, Tensor>& parameters_;
  std::string type_;
  DType dtype_;
  LayerContext* parent_;
  Tensor z_;
  std::vector<Made> made_;
  int children_ = 0;
  bool plain_ = true;  // no parameters, no layers within
};

// Any class with these three is a layer; one of several inputs takes std::vector<Tensor> in place of x:
//   std::string type() const;  Attributes attributes() const;
//   Tensor build(LayerContext&, const Tensor& x) const;
// One that lists its settings (see fields.h) has their ranges checked when it is called.
// Copies are the same layer: called twice, it uses its parameters twice, within a network or in several. Layers made of
// the same description, or by copy(), are others.
class Layer {
 public:
  template <class L>
  requires(!std::is_same_v<std::decay_t<L>, Layer>) Layer(L layer)
      : self_(std::make_shared<Model<L>>(std::move(layer))), own_(make_own()) {}  // NOLINT: converts

  std::string type() const { return self_->type(); }
  Attributes attributes() const { return self_->attributes(); }
  Description description() const { return {type(), attributes()}; }
  Layer copy() const;                                    // of the same settings, with parameters of its own
  std::uint64_t number() const { return own_->number; }  // who it is: no two layers have the same, copies do
  // The layer's output. A network names its parameters by `name` ("name.weight"); without one, by how many layers were
  // called before it, in the network or in the layer that calls it.
  Tensor operator()(const Tensor& x, const std::string& name = "") const { return call({x}, name); }
  Tensor call(const std::vector<Tensor>& xs, const std::string& name = "") const;

 private:
  struct Concept {
    virtual ~Concept() = default;
    virtual std::string type() const = 0;
    virtual Attributes attributes() const = 0;
    virtual Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const = 0;
  };
  template <class L>
  struct Model final : Concept {
    explicit Model(L description) : layer(std::move(description)) {}
    std::string type() const override { return layer.type(); }
    Attributes attributes() const override { return layer.attributes(); }
    Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const override {
      check_fields(layer);
      if constexpr (requires { layer.build(context, xs); })
        return layer.build(context, xs);
      else
        return layer.build(context, only_input(layer.type(), xs));
    }
    L layer;
  };
  // Who it is, and its parameters: whatever networks it is in, it has one set of them.
  struct Own {
    std::uint64_t number;
    std::map<std::string, Tensor> parameters;
  };
  Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const;
  static std::shared_ptr<Own> make_own();
  static const Tensor& only_input(const std::string& type, const std::vector<Tensor>& xs);

  Handle<const Concept, "Layer"> self_;
  std::shared_ptr<Own> own_;
};

// y = x Wᵀ + b over the last axis; weight (units, in), bias (units).
// weight_init "" chooses by the first activation that follows in the network, before another product: LeCun normal
// before SELU, He uniform before the rest of the ReLU family, such as GELU and Softplus, else Glorot uniform; a tenth
// of that in the last of several layers, which no activation follows but softmax or sigmoid.
// Throws std::invalid_argument where units < 1 or a name is unknown.
struct Dense {
  Dim units = 0;
  std::string activation = "";  // one of activations(), or ""
  bool bias = true;
  Initializer weight_init = "";
  Initializer bias_init = "zeros";

  std::string type() const { return "Dense"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// Each element dropped with probability `rate` in training, the others scaled by 1 / (1 - rate). 0 <= rate < 1.
struct Dropout {
  double rate = 0.5;

  std::string type() const { return "Dropout"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct LeakyReLU {
  double slope = 0.01;

  std::string type() const { return "LeakyReLU"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct ELU {
  double alpha = 1;  // positive and finite

  std::string type() const { return "ELU"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// x within [low, high], which is saved as "min" and "max"; low < high, both finite.
struct Hardtanh {
  double low = -1, high = 1;

  std::string type() const { return "Hardtanh"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct GELU {
  std::string approximate = "none";  // or "tanh"

  std::string type() const { return "GELU"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// What layers without settings share.
struct WithoutSettings {
  Attributes attributes() const { return {}; }
};

// One function of the list in elementwise.h, which says how the layer is called.
struct AppliedFunction : WithoutSettings {
  explicit AppliedFunction(Elementwise function) : fn(function) {}
  std::string type() const { return row_of(fn).layer; }
  Tensor build(LayerContext& context, const Tensor& x) const;

  Elementwise fn;
};
template <Elementwise function>
struct ElementwiseLayer : AppliedFunction {
  static_assert(row_of(function).layer != nullptr, "a function that is no layer");
  ElementwiseLayer() : AppliedFunction(function) {}
};

struct SELU : WithoutSettings {
  std::string type() const { return "SELU"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct ReLU6 : WithoutSettings {
  std::string type() const { return "ReLU6"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct Softmax : WithoutSettings {  // over the last axis
  std::string type() const { return "Softmax"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

struct Identity : WithoutSettings {
  std::string type() const { return "Identity"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// Dropout for networks of SELU: see alpha_dropout(). 0 <= rate < 1.
struct AlphaDropout {
  double rate = 0.5;

  std::string type() const { return "AlphaDropout"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// Normal noise of some deviation added in training; nothing otherwise.
struct GaussianNoise {
  double deviation = 0.1;  // finite and not negative

  std::string type() const { return "GaussianNoise"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// Rows of `weight` (num_embeddings, embedding_dim) by the integers of an int32 input (batch, ...): the output is
// (batch, ..., embedding_dim). Weights start normal with deviation 1. An index outside is an error of the call;
// `padding_idx` gives zeros and is not trained. With `sparse` the gradient is kept by rows: a step costs what its batch
// costs and not what the table costs; for SGD without momentum and (lazy) Adam, without weight decay or clipping.
struct Embedding {
  Dim num_embeddings = 0, embedding_dim = 0;
  std::optional<Dim> padding_idx = {};
  bool sparse = false;
  Initializer weight_init = "normal";

  std::string type() const { return "Embedding"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this, LeftOut::empty_text); }
  Tensor build(LayerContext& context, const Tensor& indices) const;
};

// (batch, a, b, ...) as (batch, a b ...).
struct Flatten : WithoutSettings {
  std::string type() const { return "Flatten"; }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// Several inputs side by side along an axis that is not the batch; DenseNet's connections (Huang et al. 2017).
struct Concat {
  Dim axis = -1;

  std::string type() const { return "Concat"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const;
};

// Sum, and product, of several inputs, element by element; broadcast as in NumPy.
struct Add : WithoutSettings {
  std::string type() const { return "Add"; }
  Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const;
};

struct Multiply : WithoutSettings {
  std::string type() const { return "Multiply"; }
  Tensor build(LayerContext& context, const std::vector<Tensor>& xs) const;
};

// x + f(x), where f is the layers one after the other (He et al. 2016, equation 1). Their output must have x's shape.
struct Residual {
  std::vector<Layer> layers;

  std::string type() const { return "Residual"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Tensor build(LayerContext& context, const Tensor& x) const;
};

// What Dense(activation=...) takes by name.
std::vector<std::string> activations();

// All of these but those of elementwise.h.
using LayerTypes =
    Types<Dense, Embedding, Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, DepthwiseConv2d, MaxPool1d, MaxPool2d,
          AvgPool1d, AvgPool2d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveAvgPool1d, AdaptiveAvgPool2d,
          GlobalAvgPool, GlobalMaxPool, MultiheadAttention, PositionalEncoding, TransformerEncoderLayer,
          TransformerDecoderLayer, TransformerEncoder, TransformerDecoder, RNN, LSTM, GRU, RNNCell, LSTMCell, GRUCell,
          Residual, BatchNorm, GroupNorm, InstanceNorm, Upsample, PixelShuffle, PixelUnshuffle, ZeroPad1d, ZeroPad2d,
          LayerNorm, RMSNorm, Dropout, AlphaDropout, GaussianNoise, LeakyReLU, GELU, ELU, Hardtanh, Concat, Add,
          Multiply, Flatten, SELU, ReLU6, Softmax, Identity>;

// What attributes cannot say: initializers that are functions, and layers that stand elsewhere too. By setting.
struct LayerParts {
  std::map<std::string, Initializer> initializers = {};
  std::map<std::string, std::vector<Layer>> layers = {};
};

// From type and attributes, as saved; what is absent has its default, and what `parts` has comes before its attribute.
// Throws std::invalid_argument where the type is unknown, or an attribute is of another type than its setting.
Layer make_layer(const std::string& type, const Attributes& attributes, const LayerParts& parts = {});

}  // namespace backpass
