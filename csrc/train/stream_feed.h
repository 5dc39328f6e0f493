// Batches of a stream, prepared by a thread of its own.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "train/window.h"

namespace backpass {

// Throws std::invalid_argument where its settings are out of range.
void check_stream(const Stream& stream);

class StreamFeed final : public Feed {
 public:
  struct Settings {
    Cut cut;
    bool check_finite;
    std::function<void()> interrupt;  // called now and then while waiting; may be empty
  };
  StreamFeed(const Objective::Impl& objective, const Stream& stream, Settings settings);
  ~StreamFeed() override { end(); }
  void begin_epoch(RandomSequence random) override;
  void begin_again() override { begin_epoch({random_.next(), RandomUse::shuffle, 0}); }
  bool over() override;
  Batch next() override { return window_->next(settings_.cut.batch_size); }

 private:
  using WindowPtr = std::unique_ptr<Window>;

  // What the two threads share in one epoch.
  struct Line {
    pid_t process;
    std::thread thread = {};
    std::mutex mutex = {};  // of what follows
    std::condition_variable changed = {};
    std::deque<WindowPtr> ready = {};
    std::exception_ptr error = nullptr;
    bool finished = false, unwanted = false;
  };

  void end();  // waits for the thread
  bool is_left_behind() const;
  void require_thread() const;
  void produce(RandomSequence random);  // what the thread does
  bool fill(Window& window, const Chunks& next, AllTargets& targets);
  bool push(WindowPtr window);  // false where nobody wants it any more
  WindowPtr pop();              // null where the epoch is over

  const Objective::Impl& objective_;
  const Stream& stream_;
  Settings settings_;
  RandomSequence random_{0, RandomUse::shuffle, 0};  // of this pass
  WindowPtr window_;                                 // being trained on
  std::unique_ptr<Line> line_;
};

}  // namespace backpass
