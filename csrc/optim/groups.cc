// Patterns over parameter names, and the segments of the flat buffers that they make.
#include "optim/groups.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/glob.h"

namespace backpass {
namespace {

double checked(const std::string& type, const char* what, double value) {
  if (!(value >= 0) || !std::isfinite(value))
    fail(type, "a group's ", what, " must be finite and not negative, got ", value);
  return value;
}

}  // namespace

Groups::Groups(const std::string& type, const OptimizerOptions& options, double learning_rate, double weight_decay)
    : type_(type) {
  const bool spares = options.decay == Decay::matrices;
  for (const Group& group : options.groups) {
    GroupSettings settings{1, checked(type, "weight_decay", group.weight_decay.value_or(weight_decay))};
    if (group.learning_rate) {
      if (learning_rate == 0) fail(type, "learning_rate must be above 0 where a group has one of its own, got 0");
      settings.rate = checked(type, "learning_rate", *group.learning_rate) / learning_rate;
    }
    const bool spared = spares && !group.weight_decay;
    entries_.push_back({group.pattern, place(settings), place({settings.rate, spared ? 0 : settings.weight_decay})});
  }
  entries_.push_back({"*", place({1, weight_decay}), place({1, spares ? 0 : weight_decay})});
}

int Groups::place(const GroupSettings& settings) {
  const auto index = std::find(table_.begin(), table_.end(), settings) - table_.begin();
  if (index == std::ssize(table_)) table_.push_back(settings);
  return static_cast<int>(index);
}

void Groups::check(const std::vector<ParameterInfo>& parameters) const {
  for (const Entry& entry : entries_) {
    const auto fits = [&](const ParameterInfo& parameter) { return matches(entry.pattern, parameter.name); };
    if (entry.pattern != "*" && std::ranges::none_of(parameters, fits))
      fail(type_, "groups must match parameters, got \"", entry.pattern, "\", which matches none");
  }
}

int Groups::settings_of(const ParameterInfo& parameter) const {
  const auto fits = [&](const Entry& entry) { return matches(entry.pattern, parameter.name); };
  const Entry& entry = *std::ranges::find_if(entries_, fits);
  return parameter.shape.size() < 2 ? entry.spared : entry.settings;
}

std::vector<Segment> Groups::segments(const std::vector<ParameterInfo>& parameters) const {
  std::vector<Segment> segments;
  for (const ParameterInfo& parameter : parameters) {
    if (parameter.size == 0) continue;
    const Segment segment{parameter.offset, parameter.offset + parameter.size, settings_of(parameter)};
    Segment* last = segments.empty() ? nullptr : &segments.back();
    if (last && last->end == segment.begin && last->settings == segment.settings)
      last->end = segment.end;
    else
      segments.push_back(segment);
  }
  return segments;
}

}  // namespace backpass
