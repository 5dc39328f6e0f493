// Metrics: numbers about a network's predictions.
#pragma once

#include <functional>

#include "backpass/losses.h"

namespace backpass {

using Logs = std::vector<std::pair<std::string, double>>;
// The value of a metric over all rows: targets as given, predictions as the network's dtype. For networks of one
// output. What metric() returns is recognised where it follows from sums: fit and evaluate add it up batch by batch and
// keep no predictions for it; a function around it is called with all rows.
using Metric = std::function<double(const ArrayView& y_true, const ArrayView& y_pred)>;
using Metrics = std::vector<std::pair<std::string, Metric>>;

// A metric of what a network trained with `loss` predicts; throws std::invalid_argument that lists the names. Each row
// counts once, whatever its weight; rows whose label the loss ignores do not count. As scikit-learn defines them:
// - "accuracy", "balanced_accuracy", "precision", "recall", "f1": of the class decided for: the largest output, or yes
//   or no of one output (and each of BinaryCrossEntropy). Of class 1 where there are two classes, else the mean over
//   classes.
// - "top_k" for a number k, such as "top_5": whether the k largest outputs hold the class.
// - "auc": area under the ROC curve; of several classes the mean of each against the rest; nan where one is missing.
// - "log_loss": -log of the probability given to the class.
// - "mae", "mse", "rmse", "max_error": over all elements; "r2": mean over outputs.
// Targets of yes and no are 0 and 1, told apart at 0.5 (logits at 0), or -1 and 1, told apart at 0; rows of several
// columns have one class: a single 1 among 0 or -1, or probabilities. Other targets are refused for all but errors
// (std::invalid_argument), and so is what depends on more than Loss::output_kind tells: decisions about 0 and 1 by
// `unknown` outputs outside [0, 1]; "log_loss", and "auc" of several `unknown` outputs, of what are no probabilities.
Metric metric(const std::string& name, const Loss& loss = MSE{});
// What a metric of one's own is shown of targets and predictions, which mean what the loss takes them for. `labels`:
// the class decided for and that of the target, as int32 (rows,), or 0 and 1 in the shape (rows, outputs) where there
// are several yes-no outputs. `probabilities`: targets as labels, and the probability of each class (rows, classes), or
// of yes. Of these two, rows whose label the loss ignores are left out.
enum class MetricInput : unsigned char { outputs, labels, probabilities };
// Throws std::invalid_argument, where it is called, for probabilities of a loss that tells none.
Metric metric(Metric function, MetricInput input, const Loss& loss);
// Whether more is better in a column of the history: of "val_accuracy" or "auc_0", not of "loss", "rmse" or one's own.
bool metric_rises(const std::string& column);

}  // namespace backpass
