// One thread prepares windows, another trains on them.
#include "train/stream_feed.h"

#include <unistd.h>

#include <stdexcept>
#include <system_error>

#include "base/error.h"

namespace backpass {

void check_stream(const Stream& stream) {
  if (!stream.chunks) fail("Stream", "needs a function that gives chunks");
  if (stream.buffer < 1) fail("Stream", "buffer must be positive, got ", stream.buffer);
  if (stream.prefetch < 1) fail("Stream", "prefetch must be positive, got ", stream.prefetch);
}

StreamFeed::StreamFeed(const Objective::Impl& objective, const Stream& stream, Settings settings)
    : objective_(objective), stream_(stream), settings_(std::move(settings)) {
  check_stream(stream);
}

void StreamFeed::begin_epoch(RandomSequence random) {
  end();
  random_ = random;
  window_ = nullptr;
  line_.reset(new Line{getpid()});
  try {
    line_->thread = std::thread([this, random] { produce(random); });
  } catch (const std::system_error&) {
    line_ = nullptr;
    throw std::runtime_error(
        message("Stream", "needs a thread of its own, and the system gives no more (ulimit -u, ulimit -v)"));
  }
}

// In the child of a fork, where the thread does not exist and may have held the lock, what they shared is not touched.
bool StreamFeed::is_left_behind() const { return line_->process != getpid(); }

void StreamFeed::require_thread() const {
  if (is_left_behind())
    throw std::runtime_error(message("Stream", "is read by a thread of the parent process: fit again in this one"));
}

void StreamFeed::end() {
  if (line_ == nullptr) return;
  if (is_left_behind()) return static_cast<void>(line_.release());
  {
    const std::lock_guard lock(line_->mutex);
    line_->unwanted = true;
  }
  line_->changed.notify_all();
  line_->thread.join();
  line_ = nullptr;
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
    if (!next) fail("Stream", "chunks must return a function, got an empty one");
    AllTargets targets;
    auto window = std::make_unique<Window>();
    for (bool more = true; more;) {
      more = fill(*window, next, targets);
      window->close(settings_.cut, !more, random);
      auto following = std::make_unique<Window>();
      window->append_rest(objective_.net(), *following);
      if (!push(std::move(window))) break;
      window = std::move(following);
    }
  } catch (...) {
    error = std::current_exception();
  }
  const std::lock_guard lock(line_->mutex);
  line_->error = error;
  line_->finished = true;
  line_->changed.notify_all();
}

// Adds the next chunks, a batch at least; false where they were the last.
bool StreamFeed::fill(Window& window, const Chunks& next, AllTargets& targets) {
  for (Dim i = 0; i < stream_.buffer || window.rows() < settings_.cut.batch_size; ++i) {
    const std::optional<TrainingData> chunk = next();
    if (!chunk) return false;
    const Dim rows = check_rows(objective_, *chunk, "", settings_.check_finite, targets);
    if (rows > 0) window.append(objective_.net(), chunk->x, targets, nullptr, rows);
  }
  return true;
}

bool StreamFeed::push(WindowPtr window) {
  std::unique_lock lock(line_->mutex);
  const auto has_room = [&] { return line_->ready.size() < static_cast<std::size_t>(stream_.prefetch); };
  line_->changed.wait(lock, [&] { return line_->unwanted || has_room(); });
  if (line_->unwanted) return false;
  line_->ready.push_back(std::move(window));
  line_->changed.notify_all();
  return true;
}

StreamFeed::WindowPtr StreamFeed::pop() {
  require_thread();
  std::unique_lock lock(line_->mutex);
  const auto done = [&] { return !line_->ready.empty() || line_->finished; };
  while (!line_->changed.wait_for(lock, std::chrono::milliseconds(50), done)) {
    lock.unlock();
    if (settings_.interrupt) settings_.interrupt();
    require_thread();
    lock.lock();
  }
  if (line_->ready.empty()) {
    if (line_->error) std::rethrow_exception(line_->error);
    return nullptr;
  }
  WindowPtr window = std::move(line_->ready.front());
  line_->ready.pop_front();
  line_->changed.notify_all();
  return window;
}

}  // namespace backpass
