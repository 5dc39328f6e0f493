// Plans for people: printing and profiling.
#include <algorithm>
#include <chrono>
#include <iomanip>
#include <numeric>
#include <sstream>

#include "base/float_mode.h"
#include "base/interrupt.h"
#include "plan/plan.h"

namespace backpass {
namespace {

const char* name(Phase phase) {
  static constexpr const char* kNames[] = {"forward", "loss", "backward", "update"};
  return kNames[static_cast<int>(phase)];
}

std::string where(const Plan::Value& value) {
  std::ostringstream text;
  text << value.name
       << (value.slot == kArena           ? "@"
           : value.slot >= kFirstExternal ? "@external+"
                                          : "@buffer+")
       << value.life.offset << ':' << value.life.bytes;
  return text.str();
}

}  // namespace

PlanInfo Plan::info() const {
  PlanInfo info{{}, batch_, arena_bytes_, isa_, static_cast<int>(stages_.size())};
  for (std::size_t s = 0; s < stages_.size(); ++s)
    for (std::size_t i = stages_[s].begin; i < stages_[s].end; ++i) {
      const Call& call = *calls_[i];
      CallInfo entry{call.name,  name(call.phase),  call.detail,   {},         {},         static_cast<int>(s),
                     call.tasks, stages_[s].shared, call.in_lanes, call.flops, call.bytes, 0};
      for (int value : call.reads) entry.reads.push_back(where(values_[static_cast<std::size_t>(value)]));
      for (int value : call.writes) entry.writes.push_back(where(values_[static_cast<std::size_t>(value)]));
      info.calls.push_back(std::move(entry));
    }
  return info;
}

PlanInfo Plan::profile(const PlanRun& run, int repeats) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::int64_t> backwards(static_cast<std::size_t>(batch_));  // rows that have to be gathered
  std::iota(backwards.rbegin(), backwards.rend(), 0);
  PlanRun shuffled = run;
  shuffled.rows = backwards.data();
  prepare(shuffled);
  const FlushSubnormals mode;
  std::vector<std::vector<double>> times(calls_.size());
  for (int repeat = 0; repeat < repeats; ++repeat)
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      ask_interrupt();
      const Clock::time_point begin = Clock::now();
      for (Dim task = 0; task < calls_[i]->tasks; ++task) calls_[i]->run(context_, task, scratch_of(0));
      if (calls_[i]->finishes) calls_[i]->finish(context_);
      times[i].push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    }
  rethrow_errors();
  PlanInfo result = info();
  for (std::size_t i = 0; i < calls_.size() && repeats > 0; ++i) {
    std::nth_element(times[i].begin(), times[i].begin() + repeats / 2, times[i].end());
    result.calls[i].milliseconds = times[i][static_cast<std::size_t>(repeats / 2)];
  }
  return result;
}

std::string PlanInfo::to_string() const {
  std::ostringstream text;
  text << "plan for batch " << batch_size << ", " << isa << ", " << calls.size() << " calls in " << stages
       << " stages, arena " << arena_bytes << " bytes\n";
  for (const CallInfo& call : calls) {
    text << std::setw(3) << call.stage << "  " << std::left << std::setw(9) << call.phase << std::setw(22) << call.name
         << std::right << call.detail << "; " << call.tasks << (call.in_lanes ? " lane" : " task")
         << (call.tasks == 1 ? "" : "s") << (call.shared ? ", shared" : "") << "; " << call.flops << " FLOP, "
         << call.bytes << " bytes";
    if (call.milliseconds > 0)
      text << "; " << std::setprecision(4) << call.milliseconds << " ms, " << call.flops / call.milliseconds * 1e-6
           << " GFLOP/s";
    text << "\n      ";
    for (const std::string& value : call.reads) text << ' ' << value;
    text << " ->";
    for (const std::string& value : call.writes) text << ' ' << value;
    text << '\n';
  }
  return text.str();
}

}  // namespace backpass
