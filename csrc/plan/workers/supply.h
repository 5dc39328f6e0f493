// How many threads can be had.
#pragma once

#include <signal.h>

namespace backpass {

// What a call gets at most, whatever it asks for.
int most_threads();
// How many new threads can be alive at once, of those wanted: libgomp would end the process where one cannot be made.
int obtainable_threads(int wanted);
// Tells of the first call that has fewer threads than it asked for: see on_thread_shortage.
void note_shortage(int asked, int had) noexcept;

// While it lives, new threads are made that take none of the program's signals, but for what they do wrong themselves.
class SignalsHeld {
 public:
  SignalsHeld();
  ~SignalsHeld();
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_;
};

}  // namespace backpass
