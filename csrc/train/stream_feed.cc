// One thread prepares windows, another trains on them.
#include "train/stream_feed.h"

#include "base/error.h"

namespace backpass {

void check_stream(const Stream& stream) {
  if (!stream.chunks) fail("Stream", "needs a function that gives chunks");
  if (stream.buffer < 1) fail("Stream", "buffer must be positive, got ", stream.buffer);
  if (stream.prefetch < 1) fail("Stream", "prefetch must be positive, got ", stream.prefetch);
}

StreamFeed::StreamFeed(const Trainer::Impl& trainer, const Stream& stream, Settings settings)
    : trainer_(trainer), stream_(stream), settings_(std::move(settings)) {
  check_stream(stream);
}

void StreamFeed::begin_epoch(RandomSequence random) {
  end();
  ready_.clear();
  window_ = nullptr;
  error_ = nullptr;
  finished_ = unwanted_ = false;
  thread_ = std::thread([this, random] { produce(random); });
}

void StreamFeed::end() {
  {
    const std::lock_guard lock(mutex_);
    unwanted_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool StreamFeed::over() {
  while (!window_ || window_->over())
    if (!(window_ = pop())) return true;
  return false;
}

void StreamFeed::produce(RandomSequence random) {
  std::exception_ptr error;
  try {
    const Chunks next = stream_.chunks();
    AllTargets targets;
    auto window = std::make_unique<Window>();
    for (bool more = true; more;) {
      more = fill(*window, next, targets);
      window->close(settings_.cut, !more, random);
      auto following = std::make_unique<Window>();
      window->append_rest(trainer_.net(), *following);
      if (!push(std::move(window))) break;
      window = std::move(following);
    }
  } catch (...) {
    error = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  error_ = error;
  finished_ = true;
  changed_.notify_all();
}

// Adds the next chunks, a batch at least; false where they were the last.
bool StreamFeed::fill(Window& window, const Chunks& next, AllTargets& targets) {
  for (Dim i = 0; i < stream_.buffer || window.rows() < settings_.cut.batch_size; ++i) {
    const std::optional<TrainingData> chunk = next();
    if (!chunk) return false;
    const Dim rows = check_rows(trainer_, *chunk, "", settings_.check_finite, targets);
    if (rows > 0) window.append(trainer_.net(), chunk->x, targets, nullptr, rows);
  }
  return true;
}

bool StreamFeed::push(WindowPtr window) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return unwanted_ || ready_.size() < static_cast<std::size_t>(stream_.prefetch); });
  if (unwanted_) return false;
  ready_.push_back(std::move(window));
  changed_.notify_all();
  return true;
}

StreamFeed::WindowPtr StreamFeed::pop() {
  std::unique_lock lock(mutex_);
  const auto done = [&] { return !ready_.empty() || finished_; };
  while (!changed_.wait_for(lock, std::chrono::milliseconds(50), done)) {
    lock.unlock();
    if (settings_.interrupt) settings_.interrupt();
    lock.lock();
  }
  if (ready_.empty()) {
    if (error_) std::rethrow_exception(error_);
    return nullptr;
  }
  WindowPtr window = std::move(ready_.front());
  ready_.pop_front();
  changed_.notify_all();
  return window;
}

}  // namespace backpass
