// Averages of the weights: one sweep over the parameters.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backpass/averages.h"
#include "base/error.h"
#include "base/float_mode.h"
#include "nn/network_impl.h"
#include "plan/workers/sharing.h"
#include "plan/workers/team.h"
#include "plan/workers/tickets.h"
#include "train/column.h"

namespace backpass {
namespace {

constexpr std::int64_t kMostSeen = std::int64_t{1} << 53;  // that a state may tell of
constexpr Dim kChunk = 16384;                              // elements that one worker takes at a time
constexpr double kNanosecondsEach = 0.3;                   // of an element, one worker

template <class T>
void blend(T* average, const T* values, Dim count, double rate) {
  const T part = static_cast<T>(rate);
  for (Dim i = 0; i < count; ++i) average[i] += part * (values[i] - average[i]);
}

}  // namespace

// average += rate (values - average), shared between the workers of an open team where that pays.
class AverageSweep final : public Job {
 public:
  ~AverageSweep() override { Crew::let_go(*this); }

  void run(void* average, const Network::Impl& values, double rate) {
    average_ = average, values_ = &values, count_ = values.n_parameters, rate_ = rate;
    const int workers = Team::size();
    if (workers > 1 && pays_to_share(kNanosecondsEach * static_cast<double>(count_)))
      run_together(workers);
    else
      run_chunk(0, count_);
  }

  void work(int worker) noexcept override {
    const FlushSubnormals mode;
    const std::uint32_t run = tickets_.run().number;
    if (run == 0 || worker >= tickets_.workers()) return;
    for (int i = 0; i < tickets_.workers(); ++i)
      for (;;) {
        const std::int64_t chunk = tickets_.take(run, 0, (worker + i) % tickets_.workers());
        if (chunk == Tickets::kOver) return;
        if (chunk == Tickets::kNone) break;
        run_chunk(chunk * kChunk, std::min(kChunk, count_ - chunk * kChunk));
        tickets_.complete(0, 1);
      }
    if (worker == 0) tickets_.wait_as_caller(run, 0, chunks_);
  }

 private:
  void run_together(int workers) {
    const std::uint32_t chunks = static_cast<std::uint32_t>((count_ + kChunk - 1) / kChunk);
    if (!tickets_.fits(workers) || chunks != chunks_) {
      std::vector<std::uint32_t> bounds;
      for (int w = 0; w <= workers; ++w)
        bounds.push_back(chunks * static_cast<std::uint32_t>(w) / static_cast<std::uint32_t>(workers));
      Crew::let_go(*this);
      tickets_.resize(1, workers, std::move(bounds));
      chunks_ = chunks;
    }
    tickets_.begin_run();
    Team::run(*this);
    tickets_.end_run();
  }

  void run_chunk(Dim begin, Dim count) noexcept {
    const FlushSubnormals mode;
    for (const Block& block : values_->blocks) {
      const Dim from = std::max(begin, block.begin), to = std::min(begin + count, block.end);
      if (from >= to) continue;
      if (values_->dtype == DType::float64)
        blend_from<double>(block, from, to);
      else
        blend_from<float>(block, from, to);
    }
  }

  template <class T>
  void blend_from(const Block& block, Dim begin, Dim end) noexcept {
    const T* values = reinterpret_cast<const T*>(block.values()) + (begin - block.begin);
    blend(static_cast<T*>(average_) + begin, values, end - begin, rate_);
  }

  void* average_ = nullptr;
  const Network::Impl* values_ = nullptr;
  Dim count_ = 0;
  double rate_ = 0;
  Tickets tickets_;
  std::uint32_t chunks_ = 0;
};

struct Average::Impl {
  const char* type;
  Per per;
  std::int64_t start;
  double decay = 0;  // of EMA
  std::int64_t seen = 0, updates = 0;
  Array values = {};
  AverageSweep sweep = {};

  void check(const Network& network) const {
    if (values.dtype() != network.dtype() || element_count(values.shape()) != network.n_parameters())
      fail(type, "holds the average of another network");
  }
  void check_begun(const Network& network) const {
    if (updates == 0) fail(type, "has averaged nothing yet");
    check(network);
  }
  // Calls f(average, values, bytes) for each parameter.
  template <class F>
  void each(const Network::Impl& net, F f) {
    for (const ParameterInfo& info : net.parameters)
      if (info.size > 0)
        f(static_cast<std::byte*>(values.data()) + net.bytes_before(info), net.values_of(info),
          static_cast<std::size_t>(info.size) * size_of(net.dtype));
  }
};

Average::Average(const EMA& ema) : impl_(std::shared_ptr<Impl>(new Impl{"EMA", Per::step, ema.start, ema.decay})) {
  if (!(ema.decay >= 0 && ema.decay < 1)) fail("EMA", "decay must be at least 0 and below 1, got ", ema.decay);
  if (ema.start < 0) fail("EMA", "start must not be negative, got ", ema.start);
}

Average::Average(const SWA& swa) : impl_(std::shared_ptr<Impl>(new Impl{"SWA", Per::epoch, swa.start_epoch})) {
  if (swa.start_epoch < 0) fail("SWA", "start_epoch must not be negative, got ", swa.start_epoch);
}

Per Average::per() const { return impl_->per; }

std::int64_t Average::updates() const { return impl_->updates; }

void Average::update(Network& network) {
  const InUse use(network.impl().users, Use::reads);
  Impl& self = *impl_;
  if (self.updates > 0) self.check(network);
  if (self.seen++ < self.start) return;
  const Network::Impl& net = network.impl();
  if (self.updates++ == 0) {
    self.values = Array(net.dtype, {net.n_parameters});
    self.each(net,
              [](std::byte* average, const std::byte* own, std::size_t bytes) { std::memcpy(average, own, bytes); });
    return;
  }
  const double rate = self.per == Per::step ? 1 - self.decay : 1 / static_cast<double>(self.updates);
  self.sweep.run(self.values.data(), net, rate);
}

void Average::apply(Network& network) const {
  const InUse use(network.impl().users, Use::changes);
  impl_->check_begun(network);
  impl_->each(network.impl(),
              [](std::byte* average, std::byte* own, std::size_t bytes) { std::memcpy(own, average, bytes); });
}

void Average::swap(Network& network) {
  const InUse use(network.impl().users, Use::changes);
  impl_->check_begun(network);
  impl_->each(network.impl(), [](std::byte* average, std::byte* own, std::size_t bytes) {
    std::swap_ranges(average, average + bytes, own);
  });
}

AverageState Average::state() const { return {impl_->seen, impl_->updates, copy_of(impl_->values)}; }

void Average::load_state(const AverageState& state) {
  if (state.updates < 0 || state.seen < state.updates || state.seen > kMostSeen ||
      (state.updates > 0 && state.values.data() == nullptr))
    fail(impl_->type, "state does not fit");
  impl_->seen = state.seen;
  impl_->updates = state.updates;
  impl_->values = copy_of(state.values);
}

}  // namespace backpass
