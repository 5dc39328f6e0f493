// Who is inside a home of parameters: calls that read it, side by side, or one that changes it.
#pragma once

#include <atomic>
#include <span>

namespace backpass {

// What a call does with a network, and so with the homes of its parameters.
enum class Use {
  reads,       // beside others that read
  changes,     // alone
  calls_back,  // alone; and between its runs what it calls may call the network again, as hooks of fit do
};

// Calls inside: how many that read, or kAlone.
class Users {
 public:
  static constexpr int kAlone = -1;
  bool enter(Use use) noexcept;
  void leave(Use use) noexcept;

 private:
  std::atomic<int> inside_{0};
};

// Holds all homes of a network for one call. Throws std::runtime_error where another thread's call is in the way, or
// where this one comes from within another call of this thread that is not ready for it: a layer that calls its own
// model. Who is asked whether a call shall end may read: nothing is changed then.
class InUse {
 public:
  InUse(std::span<Users* const> homes, Use use);
  ~InUse();
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;

  // While a plan runs, what it calls must not call the network, whoever holds it.
  class Running {
   public:
    Running() noexcept;
    ~Running();
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    InUse* const call_;
    const bool before_;
  };

 private:
  void enter(Users& home) const;  // throws where it cannot
  void leave(std::size_t count) const noexcept;
  // A call of the same home, on this thread, that this one is made within; null where there is none.
  const InUse* call_around(const Users& home) const noexcept;

  const std::span<Users* const> homes_;
  const Use use_;
  bool running_ = false;
  InUse* const outer_;  // the call on this thread that this one is made within, of whatever network
};

}  // namespace backpass
