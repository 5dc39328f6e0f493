// Choosing segments: cuts where few bytes cross, for several sizes of segment; the best by the bytes that are kept.
#include "plan/compile/recompute.h"

#include <algorithm>
#include <cmath>

namespace backpass {
namespace {

class Chooser {
 public:
  explicit Chooser(std::vector<ForwardCall>& calls) : calls_(calls), n_(calls.size()), late_(n_ + 1), live_(n_ + 2) {
    std::vector<double> change(n_ + 2);
    for (std::size_t i = 0; i < n_; ++i) {
      late_[i + 1] = late_[i];
      for (const ForwardCall::Value& value : calls_[i].values) {
        const double bytes = static_cast<double>(value.bytes);
        if (value.late) late_[i + 1] += bytes;
        change[i + 1] += bytes;
        change[value.last_use + 1] -= bytes;
      }
    }
    for (std::size_t i = 0; i <= n_; ++i) live_[i + 1] = live_[i] + change[i + 1];
  }

  void run() {
    double best = late_[n_];
    std::size_t chosen = 0;
    const auto most = static_cast<std::size_t>(2 * std::sqrt(static_cast<double>(n_))) + 2;
    for (std::size_t count = 2; count <= most; ++count) {
      cut(late_[n_] / static_cast<double>(count));
      if (const double bytes = decide(); bytes < best) best = bytes, chosen = count;
    }
    if (chosen == 0) return;
    cut(late_[n_] / static_cast<double>(chosen));
    decide();
    note();
  }

 private:
  // Segments of about `budget` bytes that the backward pass reads; from half of that on, the cut that fewest bytes
  // cross.
  void cut(double budget) {
    segment_.assign(n_ + 1, 0);
    std::size_t begin = 0, best = 0;
    int segment = 0;
    for (std::size_t i = 1; i < n_; ++i) {
      const double bytes = late_[i] - late_[begin];
      if (2 * bytes >= budget && (best <= begin || live_[i] <= live_[best])) best = i;
      if (bytes < budget || best <= begin) continue;
      std::fill(segment_.begin() + static_cast<std::ptrdiff_t>(best), segment_.end(), ++segment);
      begin = best;
    }
  }

  bool crosses(std::size_t call, const ForwardCall::Value& value) const {
    return segment_[value.last_use] > segment_[call];
  }

  // Marks what is made again, backwards from the values that the backward pass reads. Returns the bytes that are kept
  // beside the largest segment.
  double decide() {
    again_.assign(n_, false);
    held_.assign(n_, {});
    std::vector<double> inner(static_cast<std::size_t>(segment_[n_]) + 1);
    double kept = 0;
    for (std::size_t i = n_; i-- > 0;) {
      const ForwardCall& call = calls_[i];
      const bool may = !call.kept && segment_[i] < segment_[n_];
      for (const ForwardCall::Value& value : call.values)
        if (may && value.late && !crosses(i, value)) again_[i] = true;
      if (again_[i])
        for (const auto& [from, value] : call.reads) need(i, from, value);
      for (std::size_t v = 0; v < call.values.size(); ++v) {
        const ForwardCall::Value& value = call.values[v];
        const bool read = value.late || (v < held_[i].size() && held_[i][v]), gone = again_[i] && !crosses(i, value);
        (gone ? inner[static_cast<std::size_t>(segment_[i])] : kept) +=
            read || gone ? static_cast<double>(value.bytes) : 0;
      }
    }
    return kept + *std::max_element(inner.begin(), inner.end());
  }

  // A value that a call which is made again reads: made again in its segment, or held until then.
  void need(std::size_t reader, std::size_t call, std::size_t value) {
    if (segment_[call] == segment_[reader] && !calls_[call].kept && !crosses(call, calls_[call].values[value])) {
      again_[call] = true;
      return;
    }
    held_[call].resize(calls_[call].values.size());
    held_[call][value] = true;
  }

  void note() {
    for (std::size_t i = 0; i < n_; ++i) {
      if (!again_[i]) continue;
      calls_[i].segment = segment_[i];
      for (ForwardCall::Value& value : calls_[i].values) value.gone = !crosses(i, value);
    }
  }

  std::vector<ForwardCall>& calls_;
  std::size_t n_;
  std::vector<double> late_;  // bytes that the backward pass reads, of all calls before
  std::vector<double> live_;  // bytes that cross a cut before a call
  std::vector<int> segment_;  // by call, and of the loss
  std::vector<bool> again_;
  std::vector<std::vector<bool>> held_;  // by call and value
};

}  // namespace

void choose_segments(std::vector<ForwardCall>& calls) {
  if (!calls.empty()) Chooser(calls).run();
}

}  // namespace backpass
