// A line search for a sufficient decrease and a curvature condition (More and Thuente 1994).
#pragma once

namespace backpass {

// A function of one variable, somewhere.
struct LinePoint {
  double step, value, slope;
};

// Looks for a step with value <= start.value + kDecrease step start.slope and |slope| <= kCurvature |start.slope|:
// strong Wolfe conditions (Nocedal and Wright 2006, section 3.1). Whoever asks evaluates `step()` and tells of it.
class LineSearch {
 public:
  static constexpr double kDecrease = 1e-3, kCurvature = 0.9;

  // start.slope is below 0, `first` above.
  LineSearch(const LinePoint& start, double first);
  double step() const { return step_; }
  bool accepts(const LinePoint& trial) const;
  // Chooses the next step. False where there is none: the interval is as small as it may be; best() is what was found.
  bool advance(const LinePoint& trial);
  const LinePoint& best() const { return best_; }

 private:
  void choose(const LinePoint& best, const LinePoint& other, const LinePoint& trial);
  void keep(const LinePoint& trial, bool higher, bool turned);
  void limit();
  LinePoint lowered(const LinePoint& point) const;

  LinePoint start_, best_, other_;  // the minimum lies between the last two, once it is bracketed
  double step_;
  double least_ = 0, most_;  // the next step lies between
  double width_, width_before_;
  bool bracketed_ = false;
  bool first_stage_ = true;  // until a step has a sufficient decrease and a slope that is not negative
};

}  // namespace backpass
