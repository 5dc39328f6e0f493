// Schedules: the learning rate as a function of how far training has come.
#pragma once

#include "backpass/fields.h"

namespace backpass {

// What a schedule counts: the updates made so far, or the epochs that fit has finished.
enum class Per : unsigned char { step, epoch };

struct ScheduleOptions {
  std::int64_t warmup = 0;  // before the schedule begins: factors 1/warmup, 2/warmup, ..., 1
  Per per = Per::step;
};

// Any class with these is a schedule. When it becomes one, the ranges of settings that it lists (see fields.h) are
// checked, and `void check() const` is called where it has one.
//   std::string type() const;  Attributes attributes() const;  double factor(double t) const;
class Schedule {
 public:
  template <class S>
  requires(!std::is_same_v<std::decay_t<S>, Schedule> &&
           requires(const S& s, double t) {
             { s.factor(t) } -> std::convertible_to<double>;
           }) Schedule(S schedule, ScheduleOptions options = {})
      : options_(options) {  // NOLINT: descriptions convert
    check_warmup(schedule.type());
    check_fields(schedule);
    if constexpr (requires { schedule.check(); }) schedule.check();
    self_ = std::make_shared<Model<S>>(std::move(schedule));
  }

  std::string type() const { return self_->type(); }
  Attributes attributes() const;
  Per per() const { return options_.per; }
  // What multiplies the optimizer's learning rate; t counts what is done: 0 for the first update.
  double factor(double t) const;

 private:
  struct Concept {
    virtual ~Concept() = default;
    virtual std::string type() const = 0;
    virtual Attributes attributes() const = 0;
    virtual double factor(double t) const = 0;
  };
  template <class S>
  struct Model final : Concept {
    explicit Model(S description) : schedule(std::move(description)) {}
    std::string type() const override { return schedule.type(); }
    Attributes attributes() const override { return schedule.attributes(); }
    double factor(double t) const override { return schedule.factor(t); }
    S schedule;
  };
  void check_warmup(const std::string& who) const;

  ScheduleOptions options_;
  Handle<const Concept, "Schedule"> self_;
};

// 1.
struct ConstantRate {
  std::string type() const { return "ConstantRate"; }
  Attributes attributes() const { return {}; }
  double factor(double) const { return 1; }
};

// gamma^floor(t / every).
struct StepDecay {
  std::int64_t every = 1;
  double gamma = 0.1;

  std::string type() const { return "StepDecay"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  double factor(double t) const;
};

// gamma^n where n milestones are at or before t; milestones rise.
struct MultiStepDecay {
  std::vector<std::int64_t> milestones;
  double gamma = 0.1;

  std::string type() const { return "MultiStepDecay"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  void check() const;
  double factor(double t) const;
};

// gamma^t.
struct ExponentialDecay {
  double gamma = 0.99;

  std::string type() const { return "ExponentialDecay"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  double factor(double t) const;
};

// minimum + (1 - minimum) (1 + cos(pi t / steps)) / 2 up to steps, then minimum. With restarts it begins again each
// time, with a period that is `multiplier` times as long (Loshchilov and Hutter 2017).
struct CosineAnnealing {
  std::int64_t steps = 1;
  double minimum = 0.0;
  bool restarts = false;
  std::int64_t multiplier = 1;

  std::string type() const { return "CosineAnnealing"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  void check() const;
  double factor(double t) const;
};

// Up from 1 / div_factor to 1 in the first `pct_start` of the steps, then down to 1 / (div_factor final_div_factor),
// along a half cosine or a line (Smith and Topin 2018, in PyTorch's two phases).
struct OneCycle {
  std::int64_t steps = 1;
  double pct_start = 0.3;
  std::string anneal_strategy = "cos";  // or "linear"
  double div_factor = 25;
  double final_div_factor = 1e4;

  std::string type() const { return "OneCycle"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  double factor(double t) const;
};

// minimum + (1 - minimum) (1 - t / steps)^power up to steps, then minimum.
struct PolynomialDecay {
  std::int64_t steps = 1;
  double power = 1.0;
  double minimum = 0.0;

  std::string type() const { return "PolynomialDecay"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  double factor(double t) const;
};

// min((t + 1) / steps, sqrt(steps / (t + 1))) (Vaswani et al. 2017, scaled to reach 1).
struct InverseSquareRoot {
  std::int64_t steps = 1;

  std::string type() const { return "InverseSquareRoot"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  double factor(double t) const;
};

// 1 in the first part `flat` of the steps, then down to 0 along a half cosine.
struct FlatCosine {
  std::int64_t steps = 1;
  double flat = 0.5;

  std::string type() const { return "FlatCosine"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  double factor(double t) const;
};

// (1 - cos(2 pi log2(1 + (2^cycles - 1) t / steps))) / 2 up to steps, then 0: cycles from 0 to 1 and back, each twice
// as long as the one before (Holzmueller et al. 2024, "coslog4").
struct LogCosine {
  std::int64_t steps = 1;
  std::int64_t cycles = 4;

  std::string type() const { return "LogCosine"; }
  Fields fields();
  Attributes attributes() const { return attributes_of(*this); }
  double factor(double t) const;
};

// All of these.
using ScheduleTypes = Types<ConstantRate, StepDecay, MultiStepDecay, ExponentialDecay, CosineAnnealing, OneCycle,
                            PolynomialDecay, InverseSquareRoot, FlatCosine, LogCosine>;

// From type and attributes, "warmup" and "per" among them; what is absent has its default. Throws std::invalid_argument
// where the type is unknown, an attribute is of another type than its setting, or a setting is out of range.
Schedule make_schedule(const std::string& type, const Attributes& attributes);

}  // namespace backpass
