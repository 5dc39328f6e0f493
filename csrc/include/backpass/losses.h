// Losses: a scalar tensor from a prediction and a target.
#pragma once

#include "backpass/graph.h"

namespace backpass {

// Any class with these is a loss. `target` has the prediction's shape, or is int32 (batch) where labels are taken;
// `weight` (batch) may be absent: the mean is then over rows, else divided by the sum of the weights.
//   std::string type() const;  Attributes attributes() const;  bool takes_labels() const;
//   Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
class Loss {
 public:
  template <class L>
    requires(!std::is_same_v<std::decay_t<L>, Loss>)
  Loss(L loss) : self_(std::make_shared<Model<L>>(std::move(loss))) {}  // NOLINT: descriptions convert

  std::string type() const { return self_->type(); }
  Attributes attributes() const { return self_->attributes(); }
  bool takes_labels() const { return self_->takes_labels(); }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight = {}) const {
    return self_->build(prediction, target, weight);
  }

  // The loss and its gradient with respect to the prediction. Throws std::invalid_argument where shapes do not fit.
  std::pair<double, Array> value_and_grad(const ArrayView& prediction, const ArrayView& target,
                                          const ArrayView& sample_weight = {}) const;

 private:
  struct Concept {
    virtual ~Concept() = default;
    virtual std::string type() const = 0;
    virtual Attributes attributes() const = 0;
    virtual bool takes_labels() const = 0;
    virtual Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const = 0;
  };
  template <class L>
  struct Model final : Concept {
    explicit Model(L description) : loss(std::move(description)) {}
    std::string type() const override { return loss.type(); }
    Attributes attributes() const override { return loss.attributes(); }
    bool takes_labels() const override { return loss.takes_labels(); }
    Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const override {
      return loss.build(prediction, target, weight);
    }
    L loss;
  };
  std::shared_ptr<const Concept> self_;
};

// The losses of a network: one for all its outputs, or one for each. The loss of the whole is their sum.
class Losses {
 public:
  template <class L>
    requires(!std::is_same_v<std::decay_t<L>, Losses> && std::is_convertible_v<L, Loss>)
  Losses(L loss) : each_{Loss(std::move(loss))} {}                // NOLINT: one loss is the usual case
  Losses(std::vector<Loss> losses) : each_(std::move(losses)) {}  // NOLINT

  std::size_t size() const { return each_.size(); }
  const Loss& of(std::size_t output) const { return each_[each_.size() == 1 ? 0 : output]; }

 private:
  std::vector<Loss> each_;
};

// Mean over all elements of (prediction - target)^2.
struct MSE {
  std::string type() const { return "MSE"; }
  Attributes attributes() const { return {}; }
  bool takes_labels() const { return false; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// Half the squared error summed over outputs, mean over rows; its gradient is (prediction - target) / rows.
struct HalfMSE {
  std::string type() const { return "HalfMSE"; }
  Attributes attributes() const { return {}; }
  bool takes_labels() const { return false; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// Mean over all elements of |prediction - target|; the gradient where they are equal is 0.
struct MAE {
  std::string type() const { return "MAE"; }
  Attributes attributes() const { return {}; }
  bool takes_labels() const { return false; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// Mean over all elements of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), with e = prediction - target
// (Huber 1964). Throws std::invalid_argument where delta is not positive and finite.
struct Huber {
  double delta = 1;

  std::string type() const { return "Huber"; }
  Attributes attributes() const { return {{"delta", delta}}; }
  bool takes_labels() const { return false; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// From logits z and targets y in [0, 1]: mean over all elements of -y log s(z) - (1 - y) log(1 - s(z)), s the sigmoid.
// Its gradient is (s(z) - y) / elements.
struct BinaryCrossEntropy {
  std::string type() const { return "BinaryCrossEntropy"; }
  Attributes attributes() const { return {}; }
  bool takes_labels() const { return false; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

// -log softmax(prediction) at the label, or its expectation under rows of probabilities; mean over rows.
struct CrossEntropy {
  std::string type() const { return "CrossEntropy"; }
  Attributes attributes() const { return {}; }
  bool takes_labels() const { return true; }
  Tensor build(const Tensor& prediction, const Tensor& target, const Tensor& weight) const;
};

}  // namespace backpass
