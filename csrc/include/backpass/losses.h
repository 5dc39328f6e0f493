// Losses: a scalar tensor from predictions and targets.
#pragma once

#include "backpass/fields.h"
#include "backpass/graph.h"

namespace backpass {

// The targets that a loss is defined for, beside labels. `distributions`: rows of the last axis that are not negative
// and sum to 1, but for rounding.
enum class TargetDomain : unsigned char { any, not_negative, unit_interval, distributions };

// What a network's outputs are, for metrics. `estimates`: of the targets, in their unit. `yes_no_logits`: yes above 0,
// each output for itself. `class_logits`: softmax makes them probabilities. `unknown`: any of these, or probabilities.
enum class OutputKind : unsigned char { unknown, estimates, means_and_variances, yes_no_logits, class_logits };

// All that a loss of one's own may look at.
struct LossArguments {
  std::vector<Tensor> predictions = {};  // the output that the loss is of; all of the network where it is joint
  std::vector<Tensor> targets = {};      // (batch, ...), real or int32
  std::vector<std::string> names = {};   // of targets; "" of what has only its place; none of one array alone
  std::vector<Tensor> inputs = {};       // of the network: derivatives by them are derivatives of the outputs
  Tensor weight = {};                    // (batch), or absent

  // Throws std::invalid_argument where no target has the name.
  const Tensor& target(const std::string& name) const;
};

// Any class with these is a loss. `weight` (batch) may be absent: the mean is then over rows, else divided by the sum
// of the weights; where that is 0, so are the loss and its gradient.
//   std::string type() const;  Attributes attributes() const;
//   Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
// One that lists its settings (see fields.h) has their ranges checked when it is built.
// It may have these too; else it is as if they gave what is said behind them.
//   bool takes_labels() const;                          false; or a target may be class numbers, int32 (batch, ...)
//   std::optional<Dim> ignored_label() const;           none; or the label of rows that count for nothing
//   Shape target_shape(const Shape& prediction) const;  the prediction's; for targets that are not labels
//   TargetDomain target_domain() const;                 any; what else is refused before a step is taken
//   OutputKind output_kind() const;                     unknown; what metrics take predictions for
//   Tensor row_weight(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
//                                                       `weight`: (batch), what rows count in the mean; none: the same
//
// A loss of one's own has, in place of that build, one that sees all there is:
//   Tensor build(const LossArguments& given) const;     a scalar; or numbers by row, (batch, ...), whose mean is taken
//   bool joint() const;                                 false; or it sees all outputs of the network at once
// Its targets may be any arrays with equal rows (TrainingData::names), or none. Its sample weights may be negative:
// means are divided by the sum of their sizes.
class Loss {
 public:
  template <class L>
  requires(!std::is_same_v<std::decay_t<L>, Loss>) Loss(L loss)
      : self_(std::make_shared<Model<L>>(std::move(loss))) {}  // NOLINT: descriptions convert

  std::string type() const { return self_->type(); }
  const void* identity() const { return &*self_; }  // the same for copies
  Attributes attributes() const { return self_->attributes(); }
  bool takes_labels() const { return self_->takes_labels(); }
  std::optional<Dim> ignored_label() const { return self_->ignored_label(); }
  TargetDomain target_domain() const { return self_->target_domain(); }
  OutputKind output_kind() const { return self_->output_kind(); }
  bool is_own() const { return self_->is_own(); }  // whether it takes LossArguments
  bool joint() const { return self_->joint(); }
  Shape target_shape(const Shape& prediction) const { return self_->target_shape(prediction); }
  Tensor row_weight(const Tensor& prediction, const Tensor& target, const Tensor& weight) const {
    return self_->row_weight(prediction, target, weight);
  }
  // Rows of weight 0 are left out: what they hold, finite or not, changes neither the loss nor its gradient.
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight = {}) const {
    return build({.predictions = {prediction}, .targets = {target}, .weight = weight});
  }
  Tensor build(LossArguments given) const;

  // The loss and its gradient with respect to the prediction. Throws std::invalid_argument where shapes do not fit, or
  // targets are outside the domain.
  std::pair<double, Array> value_and_grad(const ArrayView& prediction, const ArrayView& target,
                                          const ArrayView& sample_weight = {}) const;
  // Of a loss of one's own, with targets in any form; a gradient for each prediction.
  std::pair<double, std::vector<Array>> value_and_grads(const ArrayViews& predictions, const ArrayViews& targets,
                                                        const std::vector<std::string>& names,
                                                        const ArrayView& sample_weight = {}) const;

 private:
  struct Concept {
    virtual ~Concept() = default;
    virtual std::string type() const = 0;
    virtual Attributes attributes() const = 0;
    virtual bool takes_labels() const = 0;
    virtual std::optional<Dim> ignored_label() const = 0;
    virtual TargetDomain target_domain() const = 0;
    virtual OutputKind output_kind() const = 0;
    virtual bool is_own() const = 0;
    virtual bool joint() const = 0;
    virtual Shape target_shape(const Shape& prediction) const = 0;
    virtual Tensor row_weight(const Tensor& prediction, const Tensor& target, const Tensor& weight) const = 0;
    virtual Tensor build(const LossArguments& given) const = 0;
  };
  template <class L>
  struct Model final : Concept {
    explicit Model(L description) : loss(std::move(description)) {}
    std::string type() const override { return loss.type(); }
    Attributes attributes() const override { return loss.attributes(); }
    bool takes_labels() const override {
      if constexpr (requires { loss.takes_labels(); }) return loss.takes_labels();
      return false;
    }
    std::optional<Dim> ignored_label() const override {
      if constexpr (requires { loss.ignored_label(); }) return loss.ignored_label();
      return {};
    }
    TargetDomain target_domain() const override {
      if constexpr (requires { loss.target_domain(); }) return loss.target_domain();
      return TargetDomain::any;
    }
    OutputKind output_kind() const override {
      if constexpr (requires { loss.output_kind(); }) return loss.output_kind();
      return OutputKind::unknown;
    }
    bool is_own() const override {
      return requires(const LossArguments& given) { loss.build(given); };
    }
    bool joint() const override {
      if constexpr (requires { loss.joint(); }) return loss.joint();
      return false;
    }
    Shape target_shape(const Shape& prediction) const override {
      if constexpr (requires { loss.target_shape(prediction); }) return loss.target_shape(prediction);
      return prediction;
    }
    Tensor row_weight(const Tensor& prediction, const Tensor& target, const Tensor& weight) const override {
      if constexpr (requires { loss.row_weight(prediction, target, weight); })
        return loss.row_weight(prediction, target, weight);
      return weight;
    }
    Tensor build(const LossArguments& given) const override {
      check_fields(loss);
      if constexpr (requires { loss.build(given); })
        return loss.build(given);
      else
        return loss.build(given.predictions.at(0), given.targets.at(0), given.weight);
    }
    L loss;
  };
  Handle<const Concept, "Loss"> self_;
};

// The losses of a network: one for all its outputs, or one for each. The loss of the whole is the sum of each times its
// weight; without weights each counts once. A joint loss is one term.
class Losses {
 public:
  template <class L>
  requires(!std::is_same_v<std::decay_t<L>, Losses> && std::is_convertible_v<L, Loss>) Losses(L loss)
      : each_{Loss(std::move(loss))} {}  // NOLINT: one loss is the usual case
  // Weights by output. Throws std::invalid_argument where there is no loss, or a weight is not finite.
  Losses(std::vector<Loss> losses, std::vector<double> weights = {});  // NOLINT

  // Throws std::invalid_argument where losses or weights are not as many as outputs, or one of several is joint.
  void check(std::size_t outputs) const;
  bool joint() const { return each_.size() == 1 && each_[0].joint(); }
  // How many terms there are: one for each output, or a joint one.
  std::size_t terms(std::size_t outputs) const { return joint() ? 1 : outputs; }
  const Loss& of(std::size_t output) const { return each_[each_.size() == 1 ? 0 : output]; }
  double weight(std::size_t output) const { return weights_.empty() ? 1 : weights_[output]; }

 private:
  std::vector<Loss> each_;
  std::vector<double> weights_;
};

// Mean over all elements of (prediction - target)^2.
struct MSE {
  std::string type() const { return "MSE"; }
  Attributes attributes() const { return {}; }
  OutputKind output_kind() const { return OutputKind::estimates; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// Half the squared error summed over outputs, mean over rows; its gradient is (prediction - target) / rows.
struct HalfMSE {
  std::string type() const { return "HalfMSE"; }
  Attributes attributes() const { return {}; }
  OutputKind output_kind() const { return OutputKind::estimates; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// Mean over all elements of |prediction - target|; the gradient where they are equal is 0.
struct MAE {
  std::string type() const { return "MAE"; }
  Attributes attributes() const { return {}; }
  OutputKind output_kind() const { return OutputKind::estimates; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// Mean over all elements of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), with e = prediction - target
// (Huber 1964). Throws std::invalid_argument where delta is not positive and finite.
struct Huber {
  double delta = 1;

  std::string type() const { return "Huber"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  OutputKind output_kind() const { return OutputKind::estimates; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// Mean over all elements of log(cosh(e)), with e = prediction - target; its gradient is tanh(e) / elements.
struct LogCosh {
  std::string type() const { return "LogCosh"; }
  Attributes attributes() const { return {}; }
  OutputKind output_kind() const { return OutputKind::estimates; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// Mean over all elements of q e where e > 0, else (q - 1) e, with e = target - prediction: least at the q-quantile of
// the target (Koenker and Bassett 1978). The gradient at e = 0 is 0. Throws std::invalid_argument where q is not
// between 0 and 1.
struct Quantile {
  double q = 0.5;

  std::string type() const { return "Quantile"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  OutputKind output_kind() const { return OutputKind::estimates; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// Counts y >= 0 from rates: mean over all elements of exp(p) - y p, p the logarithm of the rate; or, with log_input
// false, of p - y log(p + eps), p the rate. `full` adds Stirling's y log y - y + log(2 pi y) / 2 where y > 1, in place
// of log(y!). Throws std::invalid_argument where eps is not positive and finite.
struct Poisson {
  bool log_input = true;
  bool full = false;
  double eps = 1e-8;

  std::string type() const { return "Poisson"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  TargetDomain target_domain() const { return TargetDomain::not_negative; }
  OutputKind output_kind() const { return log_input ? OutputKind::unknown : OutputKind::estimates; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// Means m and variances v side by side, prediction (batch, 2 d), for targets y (batch, d): mean over all targets of
// (log v + (y - m)^2 / v) / 2, and log(2 pi) / 2 more where `full` (Nix and Weigend 1994). Variances below eps count as
// eps; the gradient is then that at eps. Throws std::invalid_argument where eps is not positive and finite, or the
// columns are odd in number.
struct GaussianNLL {
  double eps = 1e-6;
  bool full = false;

  std::string type() const { return "GaussianNLL"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  Shape target_shape(const Shape& prediction) const;
  OutputKind output_kind() const { return OutputKind::means_and_variances; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// From logits z and targets y in [0, 1]: mean over all elements of -w y log s(z) - (1 - y) log(1 - s(z)), s the sigmoid
// and w pos_weight. Without it the gradient is (s(z) - y) / elements. Smoothing a replaces y by (1 - a) y + a / 2.
// Throws std::invalid_argument where pos_weight is negative or not finite, or label_smoothing not in [0, 1].
struct BinaryCrossEntropy {
  std::optional<double> pos_weight = {};
  double label_smoothing = 0;

  std::string type() const { return "BinaryCrossEntropy"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  TargetDomain target_domain() const { return TargetDomain::unit_interval; }
  OutputKind output_kind() const { return OutputKind::yes_no_logits; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// -log softmax(prediction) at the label, or its expectation under rows of probabilities; mean over rows, and over
// positions where the prediction is (batch, ..., classes) with labels (batch, ...). Smoothing a
// replaces the probabilities y of c classes by (1 - a) y + a / c (Szegedy et al. 2016). Rows whose label is
// ignore_index count for nothing. class_weight multiplies the term of each class; with labels the mean is then divided
// by the sum of the weights of the rows' classes. Throws std::invalid_argument where label_smoothing is not in [0, 1],
// ignore_index is no int32, or class_weight has not one finite number that is not negative for each class.
struct CrossEntropy {
  double label_smoothing = 0;
  std::optional<Dim> ignore_index = {};
  std::vector<double> class_weight = {};

  std::string type() const { return "CrossEntropy"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  bool takes_labels() const { return true; }
  TargetDomain target_domain() const { return TargetDomain::distributions; }
  std::optional<Dim> ignored_label() const { return ignore_index; }
  Tensor row_weight(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
  OutputKind output_kind() const { return OutputKind::class_logits; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// -alpha (1 - p)^gamma log p, p the softmax of the logits at the label, or its expectation under rows of probabilities;
// mean over rows (Lin et al. 2017). gamma 0 is cross-entropy. Throws std::invalid_argument where gamma is negative,
// alpha is not positive, or either is not finite.
struct Focal {
  double gamma = 2;
  std::optional<double> alpha = {};

  std::string type() const { return "Focal"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  bool takes_labels() const { return true; }
  TargetDomain target_domain() const { return TargetDomain::distributions; }
  OutputKind output_kind() const { return OutputKind::class_logits; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// Weights under which all classes count the same: n / (k m) for a class of m of the n labels, k being how many classes
// occur; 0 for one that does not. Labels outside [0, classes) do not count.
std::vector<double> balanced_class_weights(const ArrayView& labels, Dim classes, std::optional<Dim> ignore_index = {});
// What each row weighs by its class, times its sample weight; labels outside count as if their class weighed 1.
std::vector<double> class_sample_weights(const ArrayView& labels, const std::vector<double>& class_weight,
                                         const ArrayView& sample_weight = {});

// All of these.
using LossTypes =
    Types<MSE, HalfMSE, MAE, Huber, LogCosh, Quantile, Poisson, GaussianNLL, BinaryCrossEntropy, CrossEntropy, Focal>;

// From type and attributes; what is absent has its default. Throws std::invalid_argument where the type is unknown, or
// an attribute is of another type than its setting.
Loss make_loss(const std::string& type, const Attributes& attributes);

}  // namespace backpass
