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

struct MetricInfo {
  const char* name;
  bool rises;  // whether larger is better
  const char* meaning;
};
std::vector<MetricInfo> named_metrics();

// A metric of what a network trained with `loss` predicts; throws std::invalid_argument that lists the names. Each row
// counts once, whatever its weight; rows whose label the loss ignores do not count. named_metrics() has the names,
// which mean what scikit-learn means by them; and there is "top_k" for a number k, such as "top_5": whether the k
// largest outputs hold the class. The class decided for is the largest output, or yes or no of one output (and each of
// BinaryCrossEntropy); scores are those of class 1 where there are two classes, else the mean over classes. "auc" is
// nan where a class is missing.
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
// Whether more is better in a column of the history: of "val_accuracy", "auc_0" or "auc_boundary", not of
// "loss", "rmse" or one's own.
bool metric_rises(const std::string& column);

}  // namespace backpass
